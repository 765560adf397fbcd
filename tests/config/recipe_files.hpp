// Recipe files in a folder that goes away with the test.
#pragma once

#include "libgrpo/base/error.hpp"
#include "libgrpo/config/load.hpp"

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

namespace grpo::test {

class RecipeFiles {
 public:
  RecipeFiles() {
    std::string pattern = (std::filesystem::temp_directory_path() / "grpo_config_XXXXXX").string();
    folder_ = ::mkdtemp(pattern.data());
  }
  ~RecipeFiles() { std::filesystem::remove_all(folder_); }
  RecipeFiles(const RecipeFiles&) = delete;
  RecipeFiles& operator=(const RecipeFiles&) = delete;

  std::filesystem::path write(const std::string& name, const std::string& text) const {
    std::ofstream(folder_ / name, std::ios::binary) << text;
    return folder_ / name;
  }
  const std::filesystem::path& folder() const { return folder_; }

 private:
  std::filesystem::path folder_;
};

inline CommandLine split(const std::vector<std::string>& words) {
  std::vector<const char*> argv = {"grpo_train"};
  for (const std::string& word : words) argv.push_back(word.c_str());
  return parse_command_line(static_cast<int>(argv.size()), argv.data());
}

// What every recipe needs, so that a test can be about something else.
inline const std::string kNeeded = "model_name_or_path = \"m\"\ndataset_name = \"sums\"\n";

inline LoadedRecipe load_words(const std::vector<std::string>& words, const std::string& built_in = kNeeded) {
  const CommandLine line = split(words);
  return load_recipe(built_in, line.config, line.overrides);
}

inline LoadedRecipe load_text(const std::string& name, const std::string& text, const std::string& built_in = kNeeded) {
  const RecipeFiles files;
  return load_recipe(built_in, files.write(name, text), {});
}

// The lines of the error, the folder of the file taken out; empty if nothing is wrong.
inline std::vector<std::string> errors_of(const std::string& name, const std::string& text, const std::vector<std::string>& words = {},
                                          const std::string& built_in = kNeeded) {
  const RecipeFiles files;
  std::vector<std::string> lines;
  try {
    const CommandLine line = split(words);
    load_recipe(built_in, name.empty() ? line.config : files.write(name, text), line.overrides);
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::recipe) throw;
    std::istringstream stream(error.what());
    const std::string folder = files.folder().string() + "/";
    for (std::string line; std::getline(stream, line);) {
      for (std::size_t at = line.find(folder); at != std::string::npos; at = line.find(folder)) line.erase(at, folder.size());
      lines.push_back(line);
    }
  }
  return lines;
}

inline std::vector<std::string> errors_of_words(const std::vector<std::string>& words, const std::string& built_in = kNeeded) {
  return errors_of("", "", words, built_in);
}

}  // namespace grpo::test
