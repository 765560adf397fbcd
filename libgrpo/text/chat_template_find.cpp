// Where a model keeps its chat template.
#include "libgrpo/base/error.hpp"
#include "libgrpo/base/files.hpp"
#include "libgrpo/format/gguf.hpp"
#include "libgrpo/text/chat_template.hpp"

#include <nlohmann/json.hpp>

namespace grpo {
namespace {

constexpr std::uintmax_t kMaxFileBytes = std::uintmax_t{64} << 20;

std::optional<std::string> from_config(const std::filesystem::path& path) {
  const nlohmann::json config = nlohmann::json::parse(read_file(path, kMaxFileBytes), nullptr, false);
  if (config.is_discarded() || !config.is_object()) {
    throw Error(ErrorKind::data, path.string() + ": not a JSON object");
  }
  const auto entry = config.find("chat_template");
  if (entry == config.end() || entry->is_null()) return std::nullopt;
  if (entry->is_string()) return entry->get<std::string>();
  std::string names;
  if (entry->is_array()) {
    for (const auto& one : *entry) {
      if (!one.is_object() || !one.contains("name") || !one["name"].is_string() || !one.contains("template") ||
          !one["template"].is_string()) {
        throw Error(ErrorKind::data, path.string() + ": chat_template: each entry needs a name and a template");
      }
      const auto name = one["name"].get<std::string>();
      if (name == "default") return one["template"].get<std::string>();
      names += (names.empty() ? "" : ", ") + name;
    }
    throw Error(ErrorKind::data, path.string() + ": chat_template has no entry named \"default\", only: " + names);
  }
  throw Error(ErrorKind::data, path.string() + ": chat_template must be a string or a list, not " + entry->type_name());
}

}  // namespace

std::optional<std::string> find_chat_template(const std::filesystem::path& model) {
  std::error_code error;
  if (std::filesystem::is_directory(model, error)) {
    if (std::filesystem::exists(model / "chat_template.jinja", error)) return read_file(model / "chat_template.jinja", kMaxFileBytes);
    if (std::filesystem::exists(model / "tokenizer_config.json", error)) return from_config(model / "tokenizer_config.json");
    return std::nullopt;
  }
  if (model.extension() == ".gguf") {
    const GgufFile file(model);
    if (!file.has("tokenizer.chat_template")) return std::nullopt;
    return file.text("tokenizer.chat_template");
  }
  if (!std::filesystem::exists(model, error)) throw Error(ErrorKind::data, model.string() + ": no such file or folder");
  return std::nullopt;
}

}  // namespace grpo
