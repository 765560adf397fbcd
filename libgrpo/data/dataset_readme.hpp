/// What a dataset's card says about its files. Internal to data/.
/// Source: the Hugging Face Hub's documentation, "Manual configuration" of datasets.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace grpo::detail {

struct CardSplit {
  std::string split;
  std::vector<std::string> patterns;  ///< relative to the folder, with * ? [ ] and **
};
struct CardConfig {
  std::string name;
  bool is_default = false;
  std::vector<CardSplit> splits;
};

/// `configs` in the YAML head of README.md that name data_files; empty if there is no such file, head or list, or it is damaged.
std::vector<CardConfig> read_card(const std::filesystem::path& folder);

}  // namespace grpo::detail
