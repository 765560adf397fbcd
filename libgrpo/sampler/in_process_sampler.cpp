#include "libgrpo/sampler/in_process_sampler.hpp"

#include "libgrpo/base/check.hpp"
#include "libgrpo/base/error.hpp"
#include "libgrpo/sampler/continuous_batch.hpp"

#include <fmt/format.h>

namespace grpo {

using std::int64_t;

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
  if (!groups.empty()) {
    std::vector<std::int64_t> growing(groups.size(), params.num_generations);
    WaveOptions watch;
    watch.on_finish = [&](std::size_t g, std::size_t /*sample*/) {
      if (--growing[g] > 0) return;
      for (Completion& completion : groups[g].completions) completion.text = tokenizer_.decode(completion.ids);
      if (params.on_group) params.on_group(g, groups[g]);
    };
    Wave wave(groups, params, std::move(watch));
    ContinuousBatch batch(model_, tokenizer_, max_rows_);
    batch.run(wave);
    times_ = {batch.decoder_times(), batch.drawing_seconds()};
  }
  return groups;
}

}  // namespace grpo
