#include "libgrpo/text/tokenizer.hpp"

#include "libgrpo/base/error.hpp"
#include "libgrpo/base/files.hpp"
#include "libgrpo/text/tokenizer_gguf.hpp"
#include "libgrpo/text/tokenizer_json.hpp"
#include "libgrpo/base/utf8.hpp"

#include <fmt/format.h>
#include <array>
#include <fstream>

namespace grpo {
namespace {

namespace fs = std::filesystem;

constexpr std::uintmax_t kMaxFileBytes = 1ULL << 29;
/// What transformers writes beside tokenizer.json.
constexpr std::array kSideFiles = {"tokenizer_config.json", "special_tokens_map.json", "chat_template.jinja"};

std::unique_ptr<Tokenizer> load_json(const fs::path& file) {
  ByteLevelBpe::Files files;
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
                fmt::format("{}: no such file or folder; expected a model folder, a tokenizer.json or a GGUF file",
                            model.string()));
  }
  return begins_as_gguf(model) ? tokenizer_from_gguf(model) : load_json(model);
}

std::string StreamDecoder::push(std::int32_t id) {
  if (tokenizer_.is_special(id)) return {};
  pending_ += tokenizer_.token_bytes(id);
  const std::size_t held = incomplete_utf8_tail(pending_);
  std::string ready = replace_invalid_utf8(std::string_view(pending_).substr(0, pending_.size() - held));
  pending_.erase(0, pending_.size() - held);
  return ready;
}

std::string StreamDecoder::finish() {
  std::string rest = replace_invalid_utf8(pending_);
  pending_.clear();
  return rest;
}

}  // namespace grpo
