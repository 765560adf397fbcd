// In a process of its own would be better, but what is set here changes no result: only where memory comes from.
#include "libgrpo/base/large_pages.hpp"

#include <catch2/catch.hpp>

#include <fstream>
#include <sstream>
#include <string>
#include <vector>

namespace {

std::string text_of(const char* path) {
  std::stringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

/// unit: bytes of this process in large pages
double large_page_bytes() {
  double sum = 0.0;
  std::istringstream lines(text_of("/proc/self/smaps"));
  for (std::string line; std::getline(lines, line);)
    if (line.starts_with("AnonHugePages:")) sum += 1024.0 * std::stod(line.substr(14));
  return sum;
}

}  // namespace

TEST_CASE("memory taken after prefer_large_pages lies in large pages, and comes back from the free list", "[base]") {
  const std::string offered = text_of("/sys/kernel/mm/transparent_hugepage/enabled");
  if (offered.find("[always]") == std::string::npos && offered.find("[madvise]") == std::string::npos) {
    WARN("skipped: this system offers no large pages");
    return;
  }
  grpo::prefer_large_pages();
  constexpr std::size_t kBytes = 64U << 20U;
  const double before = large_page_bytes();
  const void* place = nullptr;
  {
    const std::vector<char> block(kBytes, 'a');
    place = block.data();
    CHECK(large_page_bytes() - before > 0.5 * static_cast<double>(kBytes));
  }
  const std::vector<char> again(kBytes, 'b');
  CHECK(static_cast<const void*>(again.data()) == place);
}
