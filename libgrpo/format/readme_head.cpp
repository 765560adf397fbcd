#include "libgrpo/format/readme_head.hpp"

#include <cstddef>
#include <fstream>

namespace grpo {

std::string readme_head(const std::filesystem::path& readme) {
  constexpr std::size_t kLongestHead = std::size_t{1} << 20U;
  std::ifstream in(readme);
  std::string line;
  std::string head;
  if (!std::getline(in, line) || !line.starts_with("---")) return {};
  while (head.size() < kLongestHead && std::getline(in, line)) {
    if (line.starts_with("---")) return head;
    head += line + "\n";
  }
  return {};
}

}  // namespace grpo
