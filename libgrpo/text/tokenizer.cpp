#include "libgrpo/text/tokenizer.hpp"

#include "libgrpo/base/error.hpp"
#include "libgrpo/base/files.hpp"
#include "libgrpo/text/tokenizer_gguf.hpp"
#include "libgrpo/text/tokenizer_json.hpp"

#include <fmt/format.h>
#include <array>
#include <fstream>

namespace grpo {
namespace {

namespace fs = std::filesystem;

constexpr std::uintmax_t kMaxFileBytes = 1ULL << 29;
/// What transformers writes beside tokenizer.json, the files of its slow tokenizers among them.
constexpr std::array kSideFiles = {
    "tokenizer_config.json", "special_tokens_map.json", "chat_template.jinja", "added_tokens.json", "vocab.json", "merges.txt",
    "tokenizer.model"};

std::unique_ptr<Tokenizer> load_json(const fs::path& file) {
  TextTokenizer::Files files;
  files.emplace_back("tokenizer.json", read_file(file, kMaxFileBytes));
  for (const char* name : kSideFiles) {
    const fs::path side = file.parent_path() / name;
    std::error_code code;
    if (fs::is_regular_file(side, code)) files.emplace_back(name, read_file(side, kMaxFileBytes));
  }
  const std::string text = files.front().second;
  return tokenizer_from_json(text, file.string(), std::move(files));
}

bool begins_as_gguf(const fs::path& path) {
  std::array<char, 4> magic{};
  std::ifstream(path, std::ios::binary).read(magic.data(), magic.size());
  return std::string_view(magic.data(), magic.size()) == "GGUF";
}

}  // namespace

std::unique_ptr<Tokenizer> load_tokenizer(const fs::path& model) {
  std::error_code code;
  if (fs::is_directory(model, code)) {
    const fs::path file = model / "tokenizer.json";
    if (!fs::exists(file, code)) {
      throw Error(ErrorKind::data, fmt::format("{}: no tokenizer.json in this folder; transformers' "
                                               "save_pretrained writes one for a fast tokenizer",
                                               model.string()));
    }
    return load_json(file);
  }
  if (!fs::exists(model, code)) {
    throw Error(ErrorKind::data,
                fmt::format("{}: no such file or folder; expected a model folder, a tokenizer.json or a GGUF file", model.string()));
  }
  return begins_as_gguf(model) ? tokenizer_from_gguf(model) : load_json(model);
}

}  // namespace grpo
