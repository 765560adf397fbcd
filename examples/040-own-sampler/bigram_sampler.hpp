// A sampler of your own. This one's engine is a table: how often one letter follows another in some text. Yours may be a
// model on another machine; what a trainer wants of it is the same:
//   - one group per prompt, in order, with as many completions as asked for, none of them empty;
//   - the log-prob of every token that was drawn, under softmax(logits / temperature);
//   - draws keyed by (seed, prompt id, sample, position), so that a prompt draws the same whatever is drawn beside it.
#pragma once

#include "libgrpo/base/error.hpp"
#include "libgrpo/base/random.hpp"
#include "libgrpo/sampler/sampler.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <string_view>

class BigramSampler final : public grpo::Sampler {
 public:
  static constexpr std::int32_t kEnd = 26;  // ids 0 to 25 are the letters; the end token is everything else
  using Row = std::array<double, 27>;

  explicit BigramSampler(std::string_view text) {
    for (Row& row : counts_) row.fill(0.1);  // no pair is impossible
    for (std::size_t i = 0; i + 1 < text.size(); ++i) counts_[letter(text[i])][letter(text[i + 1])] += 1.0;
  }

  std::vector<grpo::Group> generate(const std::vector<grpo::Prompt>& prompts, const grpo::SamplingParams& params) override {
    // What a sampler cannot do it refuses: an option that does nothing would be worse.
    if (params.top_p < 1.0 || params.top_k > 0 || params.min_p > 0.0 || !params.stop_sequences.empty())
      throw grpo::Error(grpo::ErrorKind::recipe, "the bigram sampler has neither top_p, top_k, min_p nor stop_sequences");
    std::vector<grpo::Group> groups;
    for (const grpo::Prompt& prompt : prompts) {
      groups.push_back({prompt, {}});
      for (std::int64_t sample = 0; sample < params.num_generations; ++sample) {
        groups.back().completions.push_back(draw(prompt, static_cast<std::uint32_t>(sample), params));
        for (const std::int32_t id : groups.back().completions.back().ids)
          if (params.on_token) params.on_token(groups.size() - 1, static_cast<std::size_t>(sample), id);
      }
    }
    return groups;
  }

  // A table does not change. An engine elsewhere would fetch the policy's weights here.
  void refresh(const grpo::Policy& /*policy*/, std::int64_t /*version*/) override {}

  // log softmax(log counts / temperature) of what follows `last`. Temperature 0 is greedy, with the log-probs of 1.
  Row log_probs(std::int32_t last, double temperature) const {
    Row row = counts_[static_cast<std::size_t>(last)];
    double sum = 0.0;
    for (double& x : row) sum += x = std::pow(x, temperature > 0.0 ? 1.0 / temperature : 1.0);
    for (double& x : row) x = std::log(x / sum);
    return row;
  }

  static std::size_t letter(char c) { return c >= 'a' && c <= 'z' ? static_cast<std::size_t>(c - 'a') : kEnd; }

 private:
  grpo::Completion draw(const grpo::Prompt& prompt, std::uint32_t sample, const grpo::SamplingParams& params) const {
    grpo::Completion completion;
    const auto length = [&] { return static_cast<std::int64_t>(completion.ids.size()); };
    for (std::int32_t last = prompt.ids.back(); length() < params.max_completion_length; last = completion.ids.back()) {
      const Row log_p = log_probs(last, params.temperature);
      const std::int32_t choices = length() < params.min_completion_length ? kEnd : kEnd + 1;  // without the end token
      const double all = choices == kEnd ? 1.0 - std::exp(log_p[kEnd]) : 1.0;
      std::int32_t next = 0;
      if (params.temperature > 0.0) {
        double left = all * grpo::uniform({params.seed, prompt.id, sample, static_cast<std::uint32_t>(length())});
        while (next + 1 < choices && (left -= std::exp(log_p[static_cast<std::size_t>(next)])) >= 0.0) ++next;
      } else {
        next = static_cast<std::int32_t>(std::max_element(log_p.begin(), log_p.begin() + choices) - log_p.begin());
      }
      completion.ids.push_back(next);
      completion.log_probs.push_back(static_cast<float>(log_p[static_cast<std::size_t>(next)]));
      if (next == kEnd) {
        completion.finish = grpo::FinishReason::stop;
        break;
      }
      completion.text += static_cast<char>('a' + next);
    }
    return completion;
  }

  std::array<Row, 27> counts_{};
};
