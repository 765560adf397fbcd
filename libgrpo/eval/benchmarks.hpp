/// Named benchmarks: where the questions are, what is asked for beside them, and who judges.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace grpo {

struct Benchmark {
  std::string name;
  std::string dataset;  ///< as dataset_name
  std::string config, split;
  std::string prompt_column, solution_column;
  std::string system_prompt;  ///< empty: none
  std::string reward;         ///< the verdict
  std::int64_t n = 1;         ///< completions a question; 1 is greedy
};

/// In the order of the guide (docs/guides/evaluate.md).
const std::vector<Benchmark>& benchmarks();

/// throws: Error{recipe} naming the nearest ones
const Benchmark& find_benchmark(const std::string& name);

}  // namespace grpo
