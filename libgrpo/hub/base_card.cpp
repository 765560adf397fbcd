#include "libgrpo/hub/base_card.hpp"

#include "libgrpo/base/error.hpp"
#include "libgrpo/base/repo_id.hpp"
#include "libgrpo/format/gguf.hpp"
#include "libgrpo/format/readme_head.hpp"

#include <string_view>
#include <variant>
#include <yaml-cpp/yaml.h>

namespace grpo {
namespace {

BaseCard of_readme(const std::filesystem::path& readme) {
  BaseCard card;
  try {
    const YAML::Node head = YAML::Load(readme_head(readme));
    if (!head.IsMap()) return card;
    const auto text = [&head](const char* key) {
      const YAML::Node value = head[key];
      if (value && value.IsSequence() && value.size() > 0 && value[0].IsScalar()) return value[0].as<std::string>();
      return value && value.IsScalar() ? value.as<std::string>() : std::string();
    };
    card.licence = text("license");
    card.licence_name = text("license_name");
    card.licence_link = text("license_link");
  } catch (const YAML::Exception&) {
    return {};
  }
  return card;
}

BaseCard of_gguf(const std::filesystem::path& path) {
  BaseCard card;
  try {
    const GgufFile file(path);
    const auto text = [&file](std::string_view key) {
      const auto found = file.metadata().find(key);
      const auto* value = found == file.metadata().end() ? nullptr : std::get_if<std::string>(&found->second);
      return value == nullptr ? std::string() : *value;
    };
    card.licence = text("general.license");
    card.licence_name = text("general.license.name");
    card.licence_link = text("general.license.link");
    constexpr std::string_view kHub = "https://huggingface.co/";
    for (const char* key : {"general.repo_url", "general.source.url", "general.base_model.0.repo_url"}) {
      const std::string url = text(key);
      if (url.starts_with(kHub) && is_repo_id(url.substr(kHub.size()))) card.repo = url.substr(kHub.size());
      if (!card.repo.empty()) break;
    }
  } catch (const Error&) {
    return {};
  }
  return card;
}

}  // namespace

BaseCard read_base_card(const std::filesystem::path& model) {
  return model.extension() == ".gguf" ? of_gguf(model) : of_readme(model / "README.md");
}

}  // namespace grpo
