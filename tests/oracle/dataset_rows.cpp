// Prints a dataset's rows as JSON lines, for the oracle:  rows NAME PROMPT_COLUMN SOLUTION_COLUMN [CONFIG SPLIT FILTER]
// GRPO_ROWS=count in the environment: only how many there are, a digest of them all, and the peak of memory in MiB.
// GRPO_ROWS=opened: nothing of the rows but how many there are. GRPO_ROWS=scattered: row 0, 37, 74, ... and around again, 3000 at most, for random access;
// GRPO_ROWS=shuffled: likewise in steps of 7919.
#include "libgrpo/base/error.hpp"
#include "libgrpo/base/random.hpp"
#include "libgrpo/data/prompt_source.hpp"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <nlohmann/json.hpp>

// VmHWM, not ru_maxrss: that one counts what the process was forked from.
long peak_mib() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);)
    if (line.starts_with("VmHWM:")) return std::stol(line.substr(6)) / 1024;
  return -1;
}

int main(int count, char** words) try {
  const auto word = [&](int at, const char* otherwise) { return std::string(count > at ? words[at] : otherwise); };
  const auto start = std::chrono::steady_clock::now();
  const auto source =
      grpo::open_dataset({word(1, ""), word(4, ""), word(5, "train")}, {word(2, "question"), word(3, "answer"), {}, word(6, "")});
  const std::chrono::duration<double> opened = std::chrono::steady_clock::now() - start;
  const char* how = std::getenv("GRPO_ROWS");
  const std::string mode = how == nullptr ? "" : how;
  const std::size_t stride = mode == "scattered" ? 37 : mode == "shuffled" ? 7919 : 1;  // coprime with the sizes they are used on
  const bool only_count = mode == "count";
  std::uint64_t digest = 0;
  const bool only_open = mode == "opened";
  const std::size_t most = only_open ? 0 : stride == 1 ? source->size() : std::min<std::size_t>(3000, source->size());
  for (std::size_t i = 0; i < most; ++i) {
    const grpo::Row row = source->row(i * stride % source->size());
    if (only_count) {
      digest = grpo::fnv1a(row.question + row.solution, digest);
      continue;
    }
    std::cout << nlohmann::json{{"question", row.question},
                                {"solution", row.solution},
                                {"columns", row.columns},
                                {"origin", row.origin},
                                {"turns", row.messages.size()}}
                     .dump()
              << "\n";
  }
  if (only_count || only_open)
    std::cout
        << nlohmann::json{{"rows", source->size()}, {"digest", digest}, {"open_seconds", opened.count()}, {"peak_mib", peak_mib()}}.dump()
        << "\n";
  return 0;
} catch (const grpo::Error& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return grpo::exit_code(error.kind());
}
