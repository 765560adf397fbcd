#include "libgrpo/sampler/in_process_sampler.hpp"

#include "libgrpo/base/check.hpp"
#include "libgrpo/base/random.hpp"
#include "libgrpo/sampler/engine.hpp"
#include "libgrpo/sampler/select_token.hpp"
#include "libgrpo/tensor/precompiled.hpp"

#include <algorithm>
#include <exception>
#include <fmt/format.h>

namespace grpo {
namespace {

using std::int64_t;

/// One completion that is still growing.
struct Row {
  int64_t cache_row;
  std::size_t group, sample;
  int64_t logits_row;
  std::string tail = {};  // of the text, where stop sequences may be half written
};

/// Appends a token's text; whether one of `stops` ends in it. Keeps what may be the beginning of one.
bool completes_stop(std::string& tail, const std::string& text, const std::vector<std::string>& stops) {
  const std::size_t before = tail.size();
  tail += text;
  std::size_t longest = 0;
  for (const std::string& stop : stops) {
    longest = std::max(longest, stop.size());
    if (stop.empty()) continue;
    const std::size_t from = before + 1 > stop.size() ? before + 1 - stop.size() : 0;
    if (tail.find(stop, from) != std::string::npos) return true;
  }
  if (longest > 0 && tail.size() >= longest) tail.erase(0, tail.size() - (longest - 1));
  return false;
}

/// Draws the next token of every row, on all threads.
std::vector<SelectedToken> draw_all(const at::Tensor& logits, const std::vector<Row>& rows, const std::vector<Group>& groups,
                                    const SamplingParams& params, const std::vector<std::int32_t>& end_tokens) {
  std::vector<SelectedToken> tokens(rows.size());
  std::vector<std::exception_ptr> failures(rows.size());
  const int64_t vocabulary = logits.size(1);
  const float* all = logits.const_data_ptr<float>();
  at::parallel_for(0, static_cast<int64_t>(rows.size()), 1, [&](int64_t begin, int64_t end) {
    std::vector<float> own(static_cast<std::size_t>(vocabulary));
    for (int64_t i = begin; i < end; ++i) {
      const auto at = static_cast<std::size_t>(i);
      const Row& row = rows[at];
      const auto position = static_cast<int64_t>(groups[row.group].completions[row.sample].ids.size());
      const bool may_end = position + 1 >= params.min_completion_length;
      const double u = uniform({params.seed, groups[row.group].prompt.id, static_cast<std::uint32_t>(row.sample),
                                static_cast<std::uint32_t>(position)});
      std::copy_n(all + row.logits_row * vocabulary, vocabulary, own.begin());
      try {
        tokens[at] = select_token(own, params, u, may_end ? std::span<const std::int32_t>() : std::span(end_tokens));
      } catch (...) {
        failures[at] = std::current_exception();
      }
    }
  });
  for (const auto& failure : failures)
    if (failure) std::rethrow_exception(failure);
  return tokens;
}

}  // namespace

InProcessSampler::InProcessSampler(const CausalLm& model, const Tokenizer& tokenizer, int64_t max_rows)
    : model_(model), tokenizer_(tokenizer), max_rows_(max_rows) {
  GRPO_CHECK(max_rows >= 1, "at least one row grows");
}

std::vector<Group> InProcessSampler::generate(const std::vector<Prompt>& prompts, const SamplingParams& params) {
  GRPO_CHECK(params.num_generations >= 1 && params.max_completion_length >= 1, "completions have at least one token");
  std::vector<Group> groups;
  for (const Prompt& prompt : prompts) {
    const auto length = static_cast<int64_t>(prompt.ids.size());
    if (length + params.max_completion_length > model_.config().context_length)
      throw Error(ErrorKind::data,
                  fmt::format("{}: prompt of {} tokens + max_completion_length {} exceed the model's context of {}; shorten the "
                              "prompt or lower --max_completion_length",
                              prompt.source, length, params.max_completion_length, model_.config().context_length));
    groups.push_back({prompt, std::vector<Completion>(static_cast<std::size_t>(params.num_generations))});
  }
  const auto per_wave = static_cast<std::size_t>(std::max<int64_t>(1, max_rows_ / params.num_generations));
  for (std::size_t first = 0; first < groups.size(); first += per_wave)
    generate_wave(groups, first, std::min(first + per_wave, groups.size()), params);
  for (Group& group : groups)
    for (Completion& completion : group.completions) completion.text = tokenizer_.decode(completion.ids);
  return groups;
}

void InProcessSampler::generate_wave(std::vector<Group>& groups, std::size_t first, std::size_t last,
                                     const SamplingParams& params) {
  Engine engine(model_);
  std::vector<std::vector<std::int32_t>> prompts;
  for (std::size_t g = first; g < last; ++g) prompts.push_back(groups[g].prompt.ids);
  at::Tensor logits = engine.prefill(prompts, params.num_generations);

  std::vector<Row> rows;
  for (std::size_t g = first; g < last; ++g)
    for (std::size_t s = 0; s < groups[g].completions.size(); ++s)
      rows.push_back({static_cast<int64_t>(rows.size()), g, s, static_cast<int64_t>(g - first)});
  const auto& end_tokens = model_.config().eos_token_ids;
  while (!rows.empty()) {
    const auto tokens = draw_all(logits, rows, groups, params, end_tokens);
    std::vector<Row> growing;
    std::vector<int64_t> cache_rows;
    std::vector<std::int32_t> next;
    for (std::size_t i = 0; i < rows.size(); ++i) {
      Row row = std::move(rows[i]);
      Completion& completion = groups[row.group].completions[row.sample];
      completion.ids.push_back(tokens[i].id);
      completion.log_probs.push_back(tokens[i].log_prob);
      completion.entropies.push_back(tokens[i].entropy);
      if (params.on_token) params.on_token(row.group, row.sample, tokens[i].id);
      const bool ended = std::find(end_tokens.begin(), end_tokens.end(), tokens[i].id) != end_tokens.end();
      const bool may_stop = static_cast<int64_t>(completion.ids.size()) >= params.min_completion_length;
      const bool stopped =
          !params.stop_sequences.empty() && completes_stop(row.tail, tokenizer_.token_bytes(tokens[i].id), params.stop_sequences);
      if (ended || (stopped && may_stop)) {
        completion.finish = FinishReason::stop;
      } else if (static_cast<int64_t>(completion.ids.size()) < params.max_completion_length) {
        row.logits_row = static_cast<int64_t>(growing.size());
        cache_rows.push_back(row.cache_row);
        growing.push_back(std::move(row));
        next.push_back(tokens[i].id);
      }
    }
    rows = std::move(growing);
    if (!rows.empty()) logits = engine.decode(cache_rows, next);
  }
}

}  // namespace grpo
