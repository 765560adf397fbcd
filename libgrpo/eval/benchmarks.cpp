#include "libgrpo/eval/benchmarks.hpp"

#include "libgrpo/base/error.hpp"
#include "libgrpo/config/field.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace grpo {
namespace {

constexpr const char* kBoxed = "Please reason step by step, and put your final answer within \\boxed{}.";

}  // namespace

const std::vector<Benchmark>& benchmarks() {
  // Small sets are sampled eight times: of 30 questions one greedy run says little.
  static const std::vector<Benchmark> all = {
      {"gsm8k", "openai/gsm8k", "main", "test", "question", "answer", kBoxed, "math_verify"},
      {"math_500", "HuggingFaceH4/MATH-500", "", "test", "problem", "answer", kBoxed, "math_verify"},
      {"aime24", "HuggingFaceH4/aime_2024", "", "train", "problem", "answer", kBoxed, "math_verify", 8},
      {"aime25", "yentinglin/aime_2025", "", "train", "problem", "answer", kBoxed, "math_verify", 8},
      {"amc23", "math-ai/amc23", "", "test", "question", "answer", kBoxed, "math_verify", 8},
      {"minerva_math", "math-ai/minervamath", "", "test", "question", "answer", kBoxed, "math_verify"},
      {"sums", "sums", "", "test", "question", "answer", kBoxed, "math_verify"},
      {"countdown", "countdown", "3", "test", "question", "answer", "", "countdown", 8},
      {"countdown_4", "countdown", "4", "test", "question", "answer", "", "countdown", 8},
      {"graph_colouring", "graph_colouring", "", "test", "question", "answer", "", "graph_colouring", 8},
      {"many_answers", "many_answers", "", "test", "question", "answer", "", "regex", 8},
  };
  return all;
}

const Benchmark& find_benchmark(const std::string& name) {
  std::vector<std::string> names;
  for (const Benchmark& one : benchmarks()) {
    if (one.name == name) return one;
    names.push_back(one.name);
  }
  const auto near = nearest_names(name, names);
  throw Error(ErrorKind::recipe,
              fmt::format("--benchmarks: no benchmark \"{}\"{}; there are {}", name,
                          near.empty() ? std::string() : fmt::format("; did you mean {}?", near.front()), fmt::join(names, ", ")));
}

}  // namespace grpo
