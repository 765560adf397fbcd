#include "libgrpo/serve/answers.hpp"

#include "libgrpo/serve/api_error.hpp"

#include <algorithm>

namespace grpo::serve {
namespace {

/// Length of the longest end of `text` that begins `stop` without being all of it.
std::size_t half_written(const std::string& text, const std::string& stop) {
  for (std::size_t n = std::min(text.size(), stop.size() - 1); n > 0; --n)
    if (text.compare(text.size() - n, n, stop, 0, n) == 0) return n;
  return 0;
}

}  // namespace

std::string ChoiceText::push(std::int32_t id) {
  const std::size_t before = held_.size();
  held_ += decoder_.push(id);
  if (keep_stop_) return std::exchange(held_, {});
  found_ = std::string::npos;
  std::size_t certain = held_.size();
  for (const std::string& stop : stops_) {
    // One that an earlier token completed did not end the choice, so it is text.
    const std::size_t from = before + 1 > stop.size() ? before + 1 - stop.size() : 0;
    if (const std::size_t at = held_.find(stop, from); at < found_) {
      found_ = at;
      stop_ = stop;
    }
    certain = std::min(certain, held_.size() - half_written(held_, stop));
  }
  certain = std::min(certain, found_);
  if (found_ != std::string::npos) found_ -= certain;
  std::string piece = held_.substr(0, certain);
  held_.erase(0, certain);
  return piece;
}

std::string ChoiceText::finish(bool stopped) {
  held_ += decoder_.finish();
  if (!stopped || found_ == std::string::npos) stop_.reset();
  return stop_ ? held_.substr(0, found_) : held_;
}

const char* finish_reason(FinishReason reason) { return reason == FinishReason::stop ? "stop" : "length"; }

std::vector<Choice> collect(Job& job, const Tokenizer& tokenizer, bool keep_stop, const std::function<bool()>& gone,
                            const std::function<void()>& cancel, const std::function<void()>& first) {
  std::vector<Choice> choices(job.choices());
  bool any = false;
  for (Ending ending = Ending::none; ending == Ending::none;) {
    News news = job.news(std::chrono::milliseconds(100));
    ending = news.ending;
    if (!any && !news.tokens.empty()) first();
    any = any || !news.tokens.empty();
    for (DrawnToken& token : news.tokens) {
      Choice& choice = choices[token.choice];
      choice.ids.push_back(token.id);
      choice.log_probs.push_back(token.log_prob);
      choice.entropies.push_back(token.entropy);
      choice.alternatives.push_back(std::move(token.alternatives));
    }
    for (const auto& [index, reason] : news.finished) choices[index].finish_reason = finish_reason(reason);
    if (ending == Ending::failed) throw ApiError(500, "generation failed: " + job.failure());
    if (ending == Ending::none && gone()) {
      cancel();
      throw ApiError(499, "the client left");
    }
  }
  for (Choice& choice : choices) {
    ChoiceText text(tokenizer, job.request().params.stop_sequences, keep_stop);
    for (const std::int32_t id : choice.ids) choice.text += text.push(id);
    choice.text += text.finish(choice.finish_reason == "stop");
    choice.stop_reason = text.stop();
  }
  return choices;
}

}  // namespace grpo::serve
