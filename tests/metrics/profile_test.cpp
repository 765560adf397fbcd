#include "libgrpo/base/peak_memory.hpp"
#include "libgrpo/metrics/profile.hpp"

#include <catch2/catch.hpp>
#include <string>
#include <vector>

using namespace grpo;

TEST_CASE("a profile shares out all the time of a run", "[metrics]") {
  Profile profile;
  profile.add({{"sample", 2.0}, {"train", 1.0}}, 4.0, {100.0, 300.0});
  profile.add({{"sample", 2.0}, {"reference", 1.0}, {"train", 1.0}}, 4.0, {300.0, 500.0});
  const std::string table = profile.table(10.0, 2.5e9);
  INFO(table);
  CHECK(table.find("(2 steps)\n") != std::string::npos);
  CHECK(table.find("sample           2.000   40.0 %      100.0\n") != std::string::npos);  // 400 tokens sampled in 4 s
  CHECK(table.find("train            1.000   20.0 %      400.0\n") != std::string::npos);  // 800 packed in 2 s
  CHECK(table.find("reference        0.500   10.0 %      800.0\n") != std::string::npos);
  CHECK(table.find("other            0.500   10.0 %\n") != std::string::npos);
  CHECK(table.find("between steps    1.000   20.0 %\n") != std::string::npos);
  CHECK(table.find("peak memory    2.5 GB\n") != std::string::npos);
}

TEST_CASE("a profile of no step says nothing, and clocks that disagree make no negative line", "[metrics]") {
  CHECK(Profile().table(1.0, 1.0).empty());
  Profile profile;
  profile.add({{"sample", 3.0}}, 2.0, {});
  CHECK(profile.table(1.0, 0.0).find('-') == std::string::npos);
}

TEST_CASE("the peak of memory grows with memory that is written to", "[base]") {
  const double before = peak_resident_bytes();
  CHECK(before > 1e5);
  const std::vector<char> written(static_cast<std::size_t>(before) + 50'000'000, '\1');
  CHECK(peak_resident_bytes() >= before + 40e6 + static_cast<double>(written[7]));
}
