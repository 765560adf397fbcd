#include "libgrpo/data/dataset_readme.hpp"

#include "libgrpo/format/readme_head.hpp"

#include <yaml-cpp/yaml.h>

namespace grpo::detail {
namespace {

std::vector<std::string> texts(const YAML::Node& node) {
  std::vector<std::string> all;
  if (node.IsScalar()) all.push_back(node.as<std::string>());
  if (node.IsSequence())
    for (const auto& item : node)
      if (item.IsScalar()) all.push_back(item.as<std::string>());
  return all;
}

CardConfig read_config(const YAML::Node& node) {
  CardConfig config;
  config.name = node["config_name"].as<std::string>("default");
  config.is_default = node["default"].as<bool>(false) || config.name == "default";
  const YAML::Node files = node["data_files"];
  if (!files) return config;
  const bool by_split = files.IsSequence() && files.size() > 0 && files[0].IsMap();
  if (!by_split) {
    config.splits.push_back({"train", texts(files)});
    return config;
  }
  for (const auto& item : files)
    if (item.IsMap() && item["path"]) config.splits.push_back({item["split"].as<std::string>("train"), texts(item["path"])});
  return config;
}

}  // namespace

std::vector<CardConfig> read_card(const std::filesystem::path& folder) {
  std::vector<CardConfig> configs;
  const std::string head = readme_head(folder / "README.md");
  if (head.empty()) return configs;
  try {
    const YAML::Node card = YAML::Load(head);
    if (!card.IsMap() || !card["configs"] || !card["configs"].IsSequence()) return configs;
    for (const auto& node : card["configs"]) {
      if (!node.IsMap()) return {};
      CardConfig config = read_config(node);
      if (!config.splits.empty()) configs.push_back(std::move(config));
    }
  } catch (const YAML::Exception&) {
    return {};  // a card is prose first: the files are found by their names then
  }
  return configs;
}

}  // namespace grpo::detail
