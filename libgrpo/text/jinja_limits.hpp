/// What a template may cost, and the exception that ends one which costs more.
///
/// Templates come with downloaded models, so they are hostile input. Every loop turn, evaluated node and byte of a new
/// value is counted; the counters only grow, so live memory is bounded too.
#pragma once

#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>

namespace grpo::jinja {

inline constexpr std::size_t kMaxSourceBytes = std::size_t{1} << 20;       ///< of the template
inline constexpr int kMaxNesting = 100;                                    ///< of brackets, tags and data
inline constexpr int kMaxTreeDepth = 200;                                  ///< of an expression such as a + b + c + ...
inline constexpr int kMaxEvalDepth = 600;                                  ///< of nodes being evaluated at once
inline constexpr int kMaxMacroDepth = 60;                                  ///< of macro calls
inline constexpr std::uint64_t kMaxSteps = 5'000'000;                      ///< of one rendering; a long chat takes 100'000
inline constexpr std::size_t kMaxValueBytes = std::size_t{16} << 20;       ///< of one string or list
inline constexpr std::size_t kMaxOutputBytes = std::size_t{16} << 20;      ///< of the rendered text
inline constexpr std::uint64_t kMaxTotalBytes = std::uint64_t{256} << 20;  ///< of all values one rendering makes
inline constexpr std::int64_t kMaxRange = 100'000;                         ///< as in jinja2's sandbox

/// A failure without its place; whoever knows the line and the expression turns it into an Error{data}.
class Failure : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

class Budget {
 public:
  void step(std::uint64_t count = 1) {
    steps_ += count;
    if (steps_ > kMaxSteps) throw Failure("more than " + std::to_string(kMaxSteps) + " steps: does the template end?");
  }
  /// Counts a look at `size` bytes that makes nothing new (a comparison, a search).
  void look(std::size_t size) { step(size / 64); }
  /// Counts a new value of `size` bytes. Call it before the memory is taken.
  void take(std::size_t size) {
    if (size > kMaxValueBytes) {
      throw Failure("a value of " + std::to_string(size) + " bytes is above the limit of " + std::to_string(kMaxValueBytes));
    }
    bytes_ += size;
    if (bytes_ > kMaxTotalBytes) {
      throw Failure("values of more than " + std::to_string(kMaxTotalBytes) + " bytes in one rendering");
    }
    look(size);
  }

 private:
  std::uint64_t steps_ = 0;
  std::uint64_t bytes_ = 0;
};

}  // namespace grpo::jinja
