#include "libgrpo/data/dataset_files.hpp"

#include "libgrpo/base/error.hpp"
#include "libgrpo/data/dataset_readme.hpp"
#include "libgrpo/data/table.hpp"
#include "libgrpo/format/hub_cache.hpp"

#include <fmt/format.h>
#include <fnmatch.h>
#include <glob.h>

#include <algorithm>
#include <cctype>
#include <map>
#include <string_view>
#include <utility>

namespace grpo::detail {
namespace {

namespace fs = std::filesystem;
using Files = std::vector<fs::path>;

Error problem(const DatasetPlace& place, const std::string& why) { return Error{ErrorKind::data, place.name + ": " + why}; }

std::string list_of(const std::vector<std::string>& names) {
  constexpr std::size_t kMostShown = 20;
  std::string text;
  for (std::size_t i = 0; i < std::min(names.size(), kMostShown); ++i) text += fmt::format("{}\"{}\"", i == 0 ? "" : ", ", names[i]);
  return text + (names.size() > kMostShown ? ", ..." : "");
}

std::string download_command(const DatasetPlace& place) {
  return fmt::format("hf download --repo-type dataset {}{}", place.name, place.revision == "main" ? "" : " --revision " + place.revision);
}

Files matching(const DatasetPlace& place) {
  ::glob_t found{};
  const int code = ::glob(place.name.c_str(), 0, nullptr, &found);
  Files files;
  for (std::size_t i = 0; code == 0 && i < found.gl_pathc; ++i)
    if (fs::is_regular_file(found.gl_pathv[i])) files.emplace_back(found.gl_pathv[i]);
  ::globfree(&found);
  if (files.empty()) throw problem(place, "no file matches this pattern");
  return files;  // glob sorts
}

// Data files under `root`, as paths relative to it. Names that begin with a dot are left out, links are followed.
Files data_files(const fs::path& root) {
  Files files;
  std::error_code ignored;
  const auto options = fs::directory_options::follow_directory_symlink | fs::directory_options::skip_permission_denied;
  for (auto entry = fs::recursive_directory_iterator(root, options, ignored); entry != fs::recursive_directory_iterator();
       entry.increment(ignored)) {
    if (ignored) break;
    constexpr int kDeepest = 8;  // and so a link to a folder above ends
    if (entry->path().filename().string().starts_with('.') || entry.depth() > kDeepest) {
      entry.disable_recursion_pending();
    } else if (is_data_file(entry->path()) && entry->is_regular_file(ignored)) {
      files.push_back(entry->path().lexically_relative(root));
    }
  }
  std::sort(files.begin(), files.end());
  return files;
}

bool matches(const std::string& pattern, const fs::path& file) {
  const bool any_depth = pattern.find("**") != std::string::npos;
  return ::fnmatch(pattern.c_str(), file.c_str(), any_depth ? 0 : FNM_PATHNAME) == 0;
}

const CardConfig& choose(const std::vector<CardConfig>& configs, const DatasetPlace& place) {
  std::vector<std::string> names;
  for (const CardConfig& config : configs) {
    if (place.config.empty() ? config.is_default || configs.size() == 1 : config.name == place.config) return config;
    names.push_back(config.name);
  }
  throw problem(place,
                (place.config.empty() ? std::string("its README.md names several configs and no default; set dataset_config to one of ")
                                      : fmt::format("no config \"{}\"; there are ", place.config)) +
                    list_of(names));
}

Files by_card(const std::vector<CardConfig>& configs, const Files& all, const DatasetPlace& place) {
  const CardConfig& config = choose(configs, place);
  Files files;
  std::vector<std::string> splits;
  for (const CardSplit& split : config.splits) {
    splits.push_back(split.split);
    if (split.split != place.split) continue;
    for (const fs::path& file : all)
      if (std::any_of(split.patterns.begin(), split.patterns.end(), [&](const auto& pattern) { return matches(pattern, file); }))
        files.push_back(file);
  }
  if (std::find(splits.begin(), splits.end(), place.split) == splits.end())
    throw problem(place, fmt::format("no split \"{}\" in config \"{}\"; there are {}", place.split, config.name, list_of(splits)));
  return files;
}

std::vector<std::string> words_of(const fs::path& file) {
  std::vector<std::string> words(1);
  for (const char c : file.string()) {
    const auto letter = static_cast<unsigned char>(c);
    if (std::isalnum(letter) != 0) {
      words.back() += static_cast<char>(std::tolower(letter));
    } else {
      words.emplace_back();
    }
  }
  return words;
}

// "train_sft" of data/train_sft-00000-of-00002.parquet; else the split that a word of the path stands for; else nothing.
std::string split_of(const fs::path& file) {
  const std::string name = file.filename().string();
  if (const auto dash = name.find('-');
      dash != std::string::npos && ::fnmatch("*-[0-9][0-9][0-9][0-9][0-9]-of-[0-9][0-9][0-9][0-9][0-9]*", name.c_str(), 0) == 0)
    return name.substr(0, dash);
  static const std::map<std::string, std::string> kWords = {
      {"train", "train"},    {"training", "train"}, {"validation", "validation"}, {"valid", "validation"}, {"val", "validation"},
      {"dev", "validation"}, {"test", "test"},      {"testing", "test"},          {"eval", "test"},        {"evaluation", "test"}};
  const auto words = words_of(file);
  for (auto word = words.rbegin(); word != words.rend(); ++word)  // the file's own name first
    if (const auto known = kWords.find(*word); known != kWords.end()) return known->second;
  return {};
}

Files of_config(const Files& all, const DatasetPlace& place) {
  if (place.config.empty()) return all;
  Files files;
  for (const fs::path& file : all) {
    const bool folder = std::find(file.begin(), std::prev(file.end()), fs::path(place.config)) != std::prev(file.end());
    const std::string name = file.filename().string();
    const bool prefix = name.starts_with(place.config) && name.size() > place.config.size() &&
                        std::isalnum(static_cast<unsigned char>(name[place.config.size()])) == 0;
    if (folder || prefix) files.push_back(file);
  }
  if (!files.empty()) return files;
  std::vector<std::string> folders;
  for (const fs::path& file : all)
    if (file.has_parent_path() && (folders.empty() || folders.back() != file.begin()->string())) folders.push_back(file.begin()->string());
  throw problem(place, fmt::format("no config \"{}\": no folder and no file of that name; there are {}", place.config,
                                   folders.empty() ? "no folders" : list_of(folders)));
}

Files by_name(const Files& all, const DatasetPlace& place) {
  Files files;
  std::vector<std::string> splits;
  const Files candidates = of_config(all, place);
  for (const fs::path& file : candidates) {
    const std::string split = split_of(file);
    if (split.empty()) continue;
    if (std::find(splits.begin(), splits.end(), split) == splits.end()) splits.push_back(split);
    if (split == place.split) files.push_back(file);
  }
  if (splits.empty()) {
    if (place.split == "train") return candidates;  // no name says otherwise
    splits.emplace_back("train");
  }
  if (files.empty()) throw problem(place, fmt::format("no split \"{}\"; there are {}", place.split, list_of(splits)));
  return files;
}

Files in_folder(const fs::path& root, const DatasetPlace& place, bool from_hub) {
  const Files all = data_files(root);
  Files files;
  if (!all.empty()) {
    const auto configs = read_card(root);
    files = configs.empty() ? by_name(all, place) : by_card(configs, all, place);
  }
  if (files.empty())
    throw problem(place, from_hub ? "its files are not in " + root.string() + ". Fetch them: " + download_command(place)
                                  : std::string("no .jsonl, .json, .csv, .tsv or .parquet file in this folder"));
  for (fs::path& file : files) file = root / file;
  return files;
}

}  // namespace

Files find_dataset_files(const DatasetPlace& place) {
  const fs::path name = place.name;
  std::error_code ignored;
  if (fs::is_directory(name, ignored)) return in_folder(name, place, false);
  if (fs::exists(name, ignored)) return {name};
  if (place.name.find_first_of("*?[") != std::string::npos) return matching(place);
  const bool in_a_folder = name.has_parent_path() && fs::is_directory(name.parent_path(), ignored);
  if (in_a_folder || is_data_file(name) || !is_repo_id(place.name)) return {name};  // its reader says what is wrong with it
  if (const auto snapshot = find_in_hub_cache(HubRepo::dataset, place.name, place.revision)) return in_folder(*snapshot, place, true);
  throw problem(place, fmt::format("no such file or folder, and revision {} is not in the Hugging Face cache ({}). Fetch it: {}",
                                   place.revision, hub_cache_folder().string(), download_command(place)));
}

}  // namespace grpo::detail
