/// The YAML head of a card on the Hugging Face Hub: what stands between the two lines "---" at the beginning of a README.md.
#pragma once

#include <filesystem>
#include <string>

namespace grpo {

/// Empty if there is no such file or head, or none that ends within a MiB.
std::string readme_head(const std::filesystem::path& readme);

}  // namespace grpo
