/// Whether two answers to a mathematical question say the same, and where the answer stands in a completion.
///
/// Both are read from LaTeX or plain text into small trees and compared exactly (rational numbers, radicals, polynomials and their quotients),
/// then, for what has no exact form, numerically to 42 digits within tight bounds. Nothing is rounded: 0.333 is not 1/3 and 1.414 is not
/// the root of 2. docs/guides/rewards.md has the rules in full, docs/math-verify-differences.md compares them with the Python package math-verify.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace grpo {

struct MathVerdict {
  bool same = false;
  std::string_view why;  ///< one of a few fixed sentences
};

/// Compares an answer with the gold one. Any bytes are allowed; texts beyond 4096 bytes, nesting beyond 40 and numbers beyond
/// 600 digits are the same only if they are spelled alike. cost: a few microseconds, at most a few milliseconds. thread: pure
MathVerdict compare_math(std::string_view gold, std::string_view answer);

/// A gold answer that many are compared with: it is read once. thread: one at a time
class MathGold {
 public:
  explicit MathGold(std::string text);
  /// As compare_math(text, answer).
  MathVerdict compare(std::string_view answer);

 private:
  struct Trees;  // those of the text, made when they are needed
  std::string text_;
  std::shared_ptr<Trees> trees_;
};

/// The final answer in a completion, behind the last </think> if there is one: the last \boxed{} or \fbox{} within the last <answer>...</answer>, else
/// all of that; without such tags the last \boxed{} or \fbox{}; else what follows the last "answer is" or "answer:" up to the end of its sentence or line. None
/// if there is none of them. The view points into `completion`. cost: linear
std::optional<std::string_view> find_math_answer(std::string_view completion);

/// What the last \boxed{} or \fbox{} holds, braces balanced. cost: linear
std::optional<std::string_view> last_boxed(std::string_view text);

}  // namespace grpo
