/// Always-on checks of a function's contract, with both operands in the message.
///
///   GRPO_CHECK(cond, "tokens must be packed")        -> Error{contract}
///   GRPO_CHECK_EQ(ids.size(), log_probs.size(), "one log-prob per token")
#pragma once

#include "libgrpo/base/error.hpp"

#include <sstream>
#include <string>

namespace grpo::detail {

[[noreturn]] void check_failed(const char* file, int line, const std::string& what, const std::string& why);

template <class A, class B>
std::string show_operands(const char* expression, const A& a, const B& b) {
  std::ostringstream text;
  text << expression << " (" << a << " vs " << b << ")";
  return text.str();
}

}  // namespace grpo::detail

#define GRPO_CHECK(condition, why)                                                       \
  do {                                                                                   \
    if (!(condition)) ::grpo::detail::check_failed(__FILE__, __LINE__, #condition, why); \
  } while (false)

#define GRPO_CHECK_EQ(a, b, why)                                                                                                 \
  do {                                                                                                                           \
    if (!((a) == (b))) ::grpo::detail::check_failed(__FILE__, __LINE__, ::grpo::detail::show_operands(#a " == " #b, a, b), why); \
  } while (false)
