/// What every RewardFn must stand, yours too. Header-only, needs Catch2 2 and links grpo::core:
///
///   TEST_CASE("my reward keeps the contract") { grpo::contract::check_reward(*my_reward()); }
///
/// Scores hostile completions (empty, a megabyte of '<', nested and unclosed tags, invalid UTF-8, NUL bytes, ...) and
/// checks: one verdict each, values finite, the same verdict every time and whatever else is in the group, the same
/// from four threads at once, and the time. A throw on any of them is a failure here, though RewardSet would catch it.
#pragma once

#include "libgrpo/base/clock.hpp"
#include "libgrpo/reward/reward_fn.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <exception>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace grpo::contract {

struct RewardContract {
  std::string solution = "72";    ///< the prompt's gold answer
  std::vector<std::string> more;  ///< further completions to try, such as right answers
  double seconds = 5.0;           ///< for one pass over all of them (about 10 MB); generous, for slow machines
};

namespace detail {

inline std::string repeated(const std::string& part, std::size_t count) {
  std::string text;
  text.reserve(part.size() * count);
  for (std::size_t i = 0; i < count; ++i) text += part;
  return text;
}

inline std::vector<std::string> hostile_texts() {
  constexpr std::size_t kMegabyte = 1U << 20U;
  std::string every_byte;
  for (int byte = 0; byte < 256; ++byte) every_byte += static_cast<char>(byte);
  return {
      "",
      " ",
      "\n\n\n",
      "72",
      "<",
      ">",
      "<answer>",
      "</answer>",
      "</answer><answer>",
      "<answer></answer>",
      "<answer>72",
      "<answer>72</answer>",
      "<answer>71</answer><answer>72</answer>",
      "<think></think><answer>72</answer>",
      "<think>a</think>\n<answer>72</answer>\n",
      "<think><answer>72</answer>",
      "<THINK>a</THINK><ANSWER>72</ANSWER>",
      "<answer>\xff\xfe\xc3</answer>",                  // no UTF-8
      "<answer>\xed\xa0\x80\xf4\x90\x80\x80</answer>",  // a surrogate, and beyond the last character
      std::string("<answer>7\0002</answer>\0", 20),     // NUL inside and behind
      every_byte,
      repeated("<", kMegabyte),
      repeated(" ", kMegabyte),
      repeated("9", kMegabyte),
      repeated("\\frac{", kMegabyte / 6),
      repeated("<answer>", kMegabyte / 8),
      repeated("</answer>", kMegabyte / 9),
      repeated("<think>", kMegabyte / 14) + repeated("</think>", kMegabyte / 16),
      repeated("<think><answer>", kMegabyte / 32) + repeated("</answer></think>", kMegabyte / 32),
      "<answer>" + repeated("(", kMegabyte / 2) + repeated(")", kMegabyte / 2) + "</answer>",
      "<think>" + repeated("a</think", kMegabyte / 8) + "</think><answer>" + repeated(" ", 1000) + "72</answer>",
  };
}

inline Group group_of(const std::vector<std::string>& texts, const std::string& solution) {
  Group group;
  group.prompt.id = 1;
  group.prompt.text = "What is 48 + 24?";
  group.prompt.ids = {1, 2, 3};
  group.prompt.solution = solution;
  group.prompt.columns = {{"question", group.prompt.text}, {"answer", solution}};
  group.prompt.source = "contract:1";
  for (const std::string& text : texts) {
    Completion completion;
    completion.text = text;
    completion.ids = {0};
    completion.log_probs = {-1.0F};
    completion.entropies = {1.0F};
    completion.finish = FinishReason::stop;
    group.completions.push_back(std::move(completion));
  }
  return group;
}

inline bool same(const Reward& a, const Reward& b) { return a.kind() == b.kind() && a.value() == b.value() && a.why() == b.why(); }

/// Index of the first difference, size of the longer if one ends early; npos if there is none.
inline std::size_t first_difference(const std::vector<Reward>& a, const std::vector<Reward>& b) {
  if (a.size() != b.size()) return std::max(a.size(), b.size());
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (!same(a[i], b[i])) return i;
  }
  return std::string::npos;
}

}  // namespace detail

/// Runs the whole kit. `per_completion` false: the reward compares completions of a group, so its verdict on one may
/// depend on the others.
inline void check_reward(const RewardFn& reward, const RewardContract& contract = {}, bool per_completion = true) {
  std::vector<std::string> texts = detail::hostile_texts();
  texts.insert(texts.end(), contract.more.begin(), contract.more.end());
  const Group group = detail::group_of(texts, contract.solution);
  INFO("reward " << reward.name());
  REQUIRE_FALSE(reward.name().empty());

  CHECK(reward.score(detail::group_of({}, contract.solution)).empty());
  const Stopwatch clock;
  const std::vector<Reward> once = reward.score(group);
  CHECK(clock.seconds() < contract.seconds);
  REQUIRE(once.size() == texts.size());
  for (std::size_t i = 0; i < texts.size(); ++i) {
    INFO("completion " << i << " of " << texts[i].size() << " bytes: " << texts[i].substr(0, 60));
    CHECK(std::isfinite(once[i].value()));
    if (once[i].kind() == Reward::Kind::failed) CHECK_FALSE(once[i].why().empty());
    if (per_completion) CHECK(detail::same(once[i], reward.score(detail::group_of({texts[i]}, contract.solution)).at(0)));
  }
  CHECK(detail::first_difference(once, reward.score(group)) == std::string::npos);
  CHECK_NOTHROW(reward.score(detail::group_of(texts, "")));  // no gold answer

  std::vector<std::vector<Reward>> from_threads(4);
  std::vector<std::exception_ptr> thrown(from_threads.size());
  std::vector<std::thread> threads;
  for (std::size_t t = 0; t < from_threads.size(); ++t) {
    threads.emplace_back([&, t] {
      try {
        from_threads[t] = reward.score(group);
      } catch (...) {
        thrown[t] = std::current_exception();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (std::size_t t = 0; t < from_threads.size(); ++t) {
    INFO("thread " << t);
    CHECK(thrown[t] == nullptr);
    CHECK(detail::first_difference(once, from_threads[t]) == std::string::npos);
  }
}

}  // namespace grpo::contract
