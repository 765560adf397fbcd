#include "libgrpo/base/peak_memory.hpp"
#include "libgrpo/metrics/profile.hpp"

#include <catch2/catch.hpp>
#include <string>
#include <vector>

using namespace grpo;

TEST_CASE("a profile shares out all the time of a run, with tokens, share of the peak and memory", "[metrics]") {
  Profile profile;
  profile.set_peak(200e9);
  profile.add({{"sample", 2.0, 100.0, 30e9, 1.0e9},
               {"train", 1.0, 300.0, 120e9, 2.0e9},
               {"forward", 0.25, 300.0, 40e9, 0.0, true},
               {"backward", 0.5, 300.0, 80e9, 0.0, true}},
              4.0);
  profile.add({{"sample", 2.0, 300.0, 50e9, 2.5e9},
               {"reference", 1.0, 800.0, 0.0, 2.5e9},
               {"train", 1.0, 500.0, 180e9, 2.5e9},
               {"forward", 0.25, 500.0, 60e9, 0.0, true},
               {"backward", 0.5, 500.0, 120e9, 0.0, true}},
              4.0);
  const std::string table = profile.table(10.0, 0.5, 2.5e9);
  INFO(table);
  CHECK(table.find("(2 steps)\n") != std::string::npos);
  // 400 tokens and 80 GFLOP in 4 s of 10; the memory is that of the first step.
  CHECK(table.find("sample            2.000   40.0 %      100.0      20.0   10.0 %     1.0 GB\n") != std::string::npos);
  CHECK(table.find("train             1.000   20.0 %      400.0     150.0   75.0 %     2.0 GB\n"
                   "  forward         0.250    5.0 %     1600.0     200.0  100.0 %\n"
                   "  backward        0.500   10.0 %      800.0     200.0  100.0 %\n") != std::string::npos);
  CHECK(table.find("reference         0.500   10.0 %      800.0") != std::string::npos);
  CHECK(table.find("other             0.500   10.0 %\n") != std::string::npos);  // what is inside "train" is not counted twice
  CHECK(table.find("between steps     0.750   15.0 %\n") != std::string::npos);
  CHECK(table.find("after the last    0.250    5.0 %\n") != std::string::npos);
  CHECK(table.find("GEMM peak      200.0 GFLOP/s\n") != std::string::npos);
  CHECK(table.find("peak memory    2.5 GB\n") != std::string::npos);
}

TEST_CASE("a profile of no step says nothing, and clocks that disagree make no negative line", "[metrics]") {
  CHECK(Profile().table(1.0, 0.0, 1.0).empty());
  Profile profile;
  profile.add({{"sample", 3.0}}, 2.0);
  const std::string table = profile.table(1.0, 0.0, 0.0);
  CHECK(table.find('-') == std::string::npos);
  CHECK(table.find("GEMM") == std::string::npos);  // no peak is known
}

TEST_CASE("the peak of memory grows with memory that is written to", "[base]") {
  const double before = peak_resident_bytes();
  CHECK(before > 1e5);
  const std::vector<char> written(static_cast<std::size_t>(before) + 50'000'000, '\1');
  CHECK(peak_resident_bytes() >= before + 40e6 + static_cast<double>(written[7]));
}
