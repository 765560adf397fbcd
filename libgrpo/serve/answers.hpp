/// Tokens -> what clients are sent: texts cut at stop strings, finish reasons, log-probs.
#pragma once

#include "libgrpo/serve/job.hpp"

#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace grpo::serve {

/// The text of one choice, piece by piece. A piece is held back while it may turn out to belong to a stop string, which is cut off.
class ChoiceText {
 public:
  /// `keep_stop`: a stop string stays in the text. Both must outlive this.
  ChoiceText(const Tokenizer& tokenizer, const std::vector<std::string>& stops, bool keep_stop)
      : decoder_(tokenizer), stops_(stops), keep_stop_(keep_stop) {}

  /// Text that is certain now.
  std::string push(std::int32_t id);
  /// The rest. `stopped`: the choice ended by itself.
  std::string finish(bool stopped);
  /// The stop string that ended it. Only after finish().
  [[nodiscard]] const std::optional<std::string>& stop() const { return stop_; }

 private:
  StreamDecoder decoder_;
  const std::vector<std::string>& stops_;
  const bool keep_stop_;
  std::string held_;
  std::size_t found_ = std::string::npos;  // where in held_ the stop string begins that the latest token completed
  std::optional<std::string> stop_;
};

/// A whole choice.
struct Choice {
  std::vector<std::int32_t> ids;
  std::vector<float> log_probs, entropies;
  std::vector<std::vector<Alternative>> alternatives;
  std::string text;
  std::string finish_reason = "abort";  ///< or "stop", "length"
  std::optional<std::string> stop_reason;
};

/// Waits until a job has ended, and calls `first` at its first token.
/// throws: ApiError 499 if `gone` says that the client left (the job is cancelled by `cancel`), 500 if the job failed
std::vector<Choice> collect(Job& job, const Tokenizer& tokenizer, bool keep_stop, const std::function<bool()>& gone,
                            const std::function<void()>& cancel, const std::function<void()>& first);

const char* finish_reason(FinishReason reason);

}  // namespace grpo::serve
