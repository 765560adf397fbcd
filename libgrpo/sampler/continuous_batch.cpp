#include "libgrpo/sampler/continuous_batch.hpp"

#include "libgrpo/base/clock.hpp"
#include "libgrpo/base/random.hpp"
#include "libgrpo/tensor/precompiled.hpp"

#include <algorithm>
#include <exception>
#include <span>

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

}  // namespace

ContinuousBatch::ContinuousBatch(const CausalLm& model, const Tokenizer& tokenizer, const SamplingParams& params,
                                 std::vector<Group>& groups, int64_t max_rows)
    : config_(model.config()),
      tokenizer_(tokenizer),
      params_(params),
      groups_(groups),
      max_rows_(static_cast<std::size_t>(max_rows)),
      decoder_(model),
      prompts_(pack_prompts(prompt_ids(groups))),
      segments_(prompts_.tree.segments.size()),
      prompt_logits_(groups.size()) {
  for (std::size_t group = 0; group < groups.size(); ++group)
    for (const std::size_t index : path_of(group)) ++segments_[index].waiting;
}

/// Segments of a prompt, the root first.
std::vector<std::size_t> ContinuousBatch::path_of(std::size_t group) const {
  std::vector<std::size_t> path;
  for (int64_t s = prompts_.leaf[group]; s >= 0; s = prompts_.tree.segments[static_cast<std::size_t>(s)].parent)
    path.insert(path.begin(), static_cast<std::size_t>(s));
  return path;
}

void ContinuousBatch::run() {
  for (admit(); !rows_.empty(); admit()) {
    step();
    const Stopwatch watch;
    const auto tokens = draw();
    drawing_ += watch.seconds();
    inputs_.clear();
    std::vector<Row> growing;
    for (std::size_t i = 0; i < rows_.size(); ++i) {
      if (!append(rows_[i], tokens[i])) continue;
      inputs_.push_back({rows_[i].run.get(), tokens[i].id});
      growing.push_back(std::move(rows_[i]));
    }
    rows_ = std::move(growing);
  }
}

/// Fills the free places. Rows that grow come first in a step, then the prompts of those that enter.
void ContinuousBatch::admit() {
  const auto per_group = static_cast<std::size_t>(params_.num_generations);
  for (; rows_.size() < max_rows_ && next_ < groups_.size() * per_group; ++next_) {
    const std::size_t group = next_ / per_group, sample = next_ % per_group;
    if (sample == 0) enter_prompt(group);
    const auto& leaf = segments_[static_cast<std::size_t>(prompts_.leaf[group])].run;
    rows_.push_back({group, sample, std::make_shared<TextRun>(leaf)});
    if (sample + 1 == per_group) leave_prompt(group);
  }
}

void ContinuousBatch::enter_prompt(std::size_t group) {
  const auto* ids = prompts_.ids.const_data_ptr<int64_t>();
  std::shared_ptr<TextRun> parent;
  for (const std::size_t index : path_of(group)) {
    const grpo::Segment& part = prompts_.tree.segments[index];
    auto& run = segments_[index].run;
    if (!run) {
      run = std::make_shared<TextRun>(parent);
      for (int64_t i = part.begin; i < part.begin + part.length; ++i)
        inputs_.push_back({run.get(), static_cast<std::int32_t>(ids[i]), i == prompts_.last_row[group]});
    }
    parent = run;
  }
  entering_.push_back(group);
}

/// All completions of a prompt have begun: they alone keep its keys and values from here on.
void ContinuousBatch::leave_prompt(std::size_t group) {
  for (const std::size_t index : path_of(group))
    if (--segments_[index].waiting == 0) segments_[index].run.reset();
}

void ContinuousBatch::step() {
  const auto vocabulary = static_cast<std::size_t>(config_.vocab_size);
  const float* logits = inputs_.empty() ? nullptr : decoder_.step(inputs_);
  for (Row& row : rows_) {
    if (row.run->length == 0) continue;  // has just entered
    row.logits = logits;
    logits += vocabulary;
  }
  for (const std::size_t group : entering_) {
    prompt_logits_[group].assign(logits, logits + vocabulary);
    logits += vocabulary;
  }
  entering_.clear();
  for (Row& row : rows_)
    if (row.run->length == 0) row.logits = prompt_logits_[row.group].data();
}

/// Draws the next token of every row, on all threads.
std::vector<SelectedToken> ContinuousBatch::draw() const {
  std::vector<SelectedToken> tokens(rows_.size());
  std::vector<std::exception_ptr> failures(rows_.size());
  at::parallel_for(0, static_cast<int64_t>(rows_.size()), 1, [&](int64_t begin, int64_t end) {
    for (auto i = static_cast<std::size_t>(begin); i < static_cast<std::size_t>(end); ++i) {
      const Row& row = rows_[i];
      const auto position = static_cast<int64_t>(groups_[row.group].completions[row.sample].ids.size());
      const bool may_end = position + 1 >= params_.min_completion_length;
      const double u = uniform({params_.seed, groups_[row.group].prompt.id, static_cast<std::uint32_t>(row.sample),
                                static_cast<std::uint32_t>(position)});
      try {
        tokens[i] = select_token({row.logits, static_cast<std::size_t>(config_.vocab_size)}, params_, u,
                                 may_end ? std::span<const std::int32_t>() : std::span(config_.eos_token_ids));
      } catch (...) {
        failures[i] = std::current_exception();
      }
    }
  });
  for (const auto& failure : failures)
    if (failure) std::rethrow_exception(failure);
  return tokens;
}

/// Whether the row goes on growing.
bool ContinuousBatch::append(Row& row, const SelectedToken& token) {
  Completion& grown = groups_[row.group].completions[row.sample];
  if (grown.ids.empty() && row.sample + 1 == groups_[row.group].completions.size()) prompt_logits_[row.group] = {};
  grown.ids.push_back(token.id);
  grown.log_probs.push_back(token.log_prob);
  grown.entropies.push_back(token.entropy);
  if (params_.on_token) params_.on_token(row.group, row.sample, token.id);
  const auto& ends = config_.eos_token_ids;
  const auto length = static_cast<int64_t>(grown.ids.size());
  const bool ended = std::find(ends.begin(), ends.end(), token.id) != ends.end();
  const bool stopped =
      !params_.stop_sequences.empty() && completes_stop(row.tail, tokenizer_.token_bytes(token.id), params_.stop_sequences);
  if (ended || (stopped && length >= params_.min_completion_length)) {
    grown.finish = FinishReason::stop;
    return false;
  }
  return length < params_.max_completion_length;
}

}  // namespace grpo
