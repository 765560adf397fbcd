#include "libgrpo/sampler/continuous_batch.hpp"

#include "libgrpo/base/check.hpp"
#include "libgrpo/base/clock.hpp"
#include "libgrpo/base/random.hpp"
#include "libgrpo/tensor/precompiled.hpp"

#include <algorithm>
#include <numeric>

namespace grpo {
namespace {

using std::int64_t;

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

std::vector<std::vector<std::int32_t>> prompt_ids(const std::vector<Group>& groups) {
  std::vector<std::vector<std::int32_t>> ids;
  for (const Group& group : groups) ids.push_back(group.prompt.ids);
  return ids;
}

/// The `count` likeliest tokens. All log-probs of a distribution differ by what the scaled logits differ by.
std::vector<Alternative> likeliest(std::span<const float> logits, double temperature, const SelectedToken& drawn, int64_t count) {
  const float scale = temperature > 0.0 ? static_cast<float>(1.0 / temperature) : 1.0F;
  std::vector<std::int32_t> ids(logits.size());
  std::iota(ids.begin(), ids.end(), 0);
  const auto at = [&](std::int32_t id) { return logits[static_cast<std::size_t>(id)]; };
  const auto end = ids.begin() + std::min(count, static_cast<int64_t>(ids.size()));
  std::partial_sort(ids.begin(), end, ids.end(), [&](std::int32_t a, std::int32_t b) { return at(a) != at(b) ? at(a) > at(b) : a < b; });
  std::vector<Alternative> found;
  for (auto id = ids.begin(); id != end; ++id) found.push_back({*id, drawn.log_prob + (at(*id) - at(drawn.id)) * scale});
  return found;
}

}  // namespace

Wave::Wave(std::vector<Group>& groups, const SamplingParams& params, WaveOptions options)
    : groups_(groups),
      params_(params),
      options_(std::move(options)),
      prompts_(pack_prompts(prompt_ids(groups))),
      segments_(prompts_.tree.segments.size()),
      prompt_logits_(groups.size()),
      alternatives_(completions()) {
  for (std::size_t group = 0; group < groups.size(); ++group)
    for (const std::size_t index : path_of(group)) ++segments_[index].waiting;
}

/// Segments of a prompt, the root first.
std::vector<std::size_t> Wave::path_of(std::size_t group) const {
  std::vector<std::size_t> path;
  for (int64_t s = prompts_.leaf[group]; s >= 0; s = prompts_.tree.segments[static_cast<std::size_t>(s)].parent)
    path.insert(path.begin(), static_cast<std::size_t>(s));
  return path;
}

/// All completions of a prompt have begun: they alone keep its keys and values from here on.
void Wave::leave_prompt(std::size_t group) {
  for (const std::size_t index : path_of(group))
    if (--segments_[index].waiting == 0) segments_[index].run.reset();
}

ContinuousBatch::ContinuousBatch(const CausalLm& model, const Tokenizer& tokenizer, int64_t max_rows, int64_t prefix_tokens)
    : config_(&model.config()),
      tokenizer_(tokenizer),
      max_rows_(static_cast<std::size_t>(max_rows)),
      decoder_(make_decoder(model)),
      cache_(prefix_tokens) {}

void ContinuousBatch::run(Wave& wave) {
  while (!wave.done()) {
    while (!full() && wave.waiting()) enter(wave);
    step();
  }
  if (wave.failure()) std::rethrow_exception(wave.failure());
}

/// Rows that grow come first in a step, then the prompts of those that enter.
void ContinuousBatch::enter(Wave& wave) {
  GRPO_CHECK(wave.waiting() && !full(), "a completion enters where there is a place");
  const std::size_t group = wave.next_ / wave.per_group(), sample = wave.next_ % wave.per_group();
  ++wave.next_;
  if (sample == 0) enter_prompt(wave, group);
  const auto& leaf = wave.segments_[static_cast<std::size_t>(wave.prompts_.leaf[group])].run;
  rows_.push_back({&wave, group, sample, std::make_shared<TextRun>(leaf)});
  if (sample + 1 == wave.per_group()) wave.leave_prompt(group);
}

void ContinuousBatch::enter_prompt(Wave& wave, std::size_t group) {
  const auto& ids = wave.groups_[group].prompt.ids;
  const auto last = static_cast<int64_t>(ids.size()) - 1;
  std::shared_ptr<TextRun> parent;
  for (const std::size_t index : wave.path_of(group)) {
    const grpo::Segment& part = wave.prompts_.tree.segments[index];
    auto& run = wave.segments_[index].run;
    if (!run) {
      const int64_t end = part.position + part.length;
      // A prompt's last token is always computed, for its logits.
      if (part.position == 0) parent = cache_.find(ids, std::min(end, last));
      // A parent that enters in this step has no length yet.
      const int64_t have = part.position == 0 && parent ? parent->position + parent->length : part.position;
      run = have == end ? parent : std::make_shared<TextRun>(parent);
      for (int64_t i = have; i < end; ++i) inputs_.push_back({run.get(), ids[static_cast<std::size_t>(i)], i == last});
    }
    parent = run;
  }
  entering_.push_back({&wave, group, parent});
}

void ContinuousBatch::decode() {
  const auto vocabulary = static_cast<std::size_t>(config_->vocab_size);
  const float* logits = inputs_.empty() ? nullptr : decoder_->step(inputs_);
  for (Row& row : rows_) {
    if (row.run->length == 0) continue;  // has just entered
    row.logits = logits;
    logits += vocabulary;
  }
  for (Entering& one : entering_) {
    one.wave->prompt_logits_[one.group].assign(logits, logits + vocabulary);
    logits += vocabulary;
    cache_.keep(one.wave->groups_[one.group].prompt.ids, std::move(one.end));
  }
  entering_.clear();
  for (Row& row : rows_)
    if (row.run->length == 0) row.logits = row.wave->prompt_logits_[row.group].data();
}

void ContinuousBatch::step() {
  decode();
  const Stopwatch watch;
  auto drawn = draw();
  drawing_ += watch.seconds();
  inputs_.clear();
  for (std::size_t i = 0; i < rows_.size(); ++i)
    if (drawn[i].failure) rows_[i].wave->failure_ = drawn[i].failure;
  std::vector<Row> growing;
  for (std::size_t i = 0; i < rows_.size(); ++i) {
    const std::int32_t id = drawn[i].token.id;
    if (rows_[i].wave->failure_ || !append(rows_[i], std::move(drawn[i]))) continue;
    inputs_.push_back({rows_[i].run.get(), id});
    growing.push_back(std::move(rows_[i]));
  }
  rows_ = std::move(growing);
}

/// Draws the next token of every row, on all threads.
std::vector<ContinuousBatch::Drawn> ContinuousBatch::draw() const {
  std::vector<Drawn> drawn(rows_.size());
  at::parallel_for(0, static_cast<int64_t>(rows_.size()), 1, [&](int64_t begin, int64_t end) {
    for (auto i = static_cast<std::size_t>(begin); i < static_cast<std::size_t>(end); ++i) {
      try {
        drawn[i] = draw(rows_[i]);
      } catch (...) {
        drawn[i].failure = std::current_exception();
      }
    }
  });
  return drawn;
}

ContinuousBatch::Drawn ContinuousBatch::draw(const Row& row) const {
  const SamplingParams& params = row.wave->params_;
  const WaveOptions& options = row.wave->options_;
  const auto position = static_cast<int64_t>(row.completion().ids.size());
  const bool may_end = position + 1 >= params.min_completion_length;
  const double u = uniform(
      {params.seed, row.wave->groups_[row.group].prompt.id, static_cast<std::uint32_t>(row.sample), static_cast<std::uint32_t>(position)});
  std::span<const float> logits(row.logits, static_cast<std::size_t>(config_->vocab_size));
  std::vector<float> biased;
  if (!options.logit_bias.empty()) {
    biased.assign(logits.begin(), logits.end());
    for (const auto& [id, bias] : options.logit_bias) biased[static_cast<std::size_t>(id)] += bias;
    logits = biased;
  }
  Drawn drawn{select_token(logits, params, u, may_end ? std::span<const std::int32_t>() : std::span(config_->eos_token_ids))};
  if (options.top_log_probs > 0) drawn.alternatives = likeliest(logits, params.temperature, drawn.token, options.top_log_probs);
  return drawn;
}

/// Whether the row goes on growing.
bool ContinuousBatch::append(Row& row, Drawn&& drawn) {
  Wave& wave = *row.wave;
  const SamplingParams& params = wave.params_;
  const SelectedToken& token = drawn.token;
  Completion& grown = row.completion();
  if (grown.ids.empty() && row.sample + 1 == wave.per_group()) wave.prompt_logits_[row.group] = {};
  grown.ids.push_back(token.id);
  grown.log_probs.push_back(token.log_prob);
  grown.entropies.push_back(token.entropy);
  if (wave.options_.top_log_probs > 0)
    wave.alternatives_[row.group * wave.per_group() + row.sample].push_back(std::move(drawn.alternatives));
  if (params.on_token) params.on_token(row.group, row.sample, token.id);
  if (wave.options_.on_token) wave.options_.on_token(row.group, row.sample);
  const auto& ends = config_->eos_token_ids;
  const auto length = static_cast<int64_t>(grown.ids.size());
  const bool ended = std::find(ends.begin(), ends.end(), token.id) != ends.end();
  const bool stopped = !params.stop_sequences.empty() && completes_stop(row.tail, tokenizer_.token_bytes(token.id), params.stop_sequences);
  const bool stops = ended || (stopped && length >= params.min_completion_length);
  if (stops) grown.finish = FinishReason::stop;
  if (!stops && length < params.max_completion_length) return true;
  ++wave.finished_;
  if (wave.options_.on_finish) wave.options_.on_finish(row.group, row.sample);
  return false;
}

void ContinuousBatch::remove(const Wave& wave) {
  GRPO_CHECK(entering_.empty(), "completions are taken out between a step and the next that enters");
  std::vector<Row> staying;
  std::vector<TokenDecoder::Input> inputs;
  for (std::size_t i = 0; i < rows_.size(); ++i) {
    if (rows_[i].wave == &wave) continue;
    inputs.push_back(inputs_[i]);
    staying.push_back(std::move(rows_[i]));
  }
  rows_ = std::move(staying);
  inputs_ = std::move(inputs);
}

void ContinuousBatch::use(const CausalLm& model) {
  cache_.clear();
  config_ = &model.config();
  decoder_ = make_decoder(model);
}

}  // namespace grpo
