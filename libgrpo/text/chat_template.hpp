/// Chat templates: a conversation -> the text a model was trained on.
///
/// Templates are Jinja, as Hugging Face models carry them; this is the subset that such templates use, rendered with
/// trim_blocks and lstrip_blocks on, as transformers does. Output, steps and nesting are bounded: a hostile template
/// ends in an Error{data} that shows line and expression.
#pragma once

#include "libgrpo/types/prompt.hpp"

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace grpo {

/// Immutable after construction. thread: render() may be called from many threads at once.
class ChatTemplate {
 public:
  /// throws: Error{data} with line and expression if the template does not parse. `name` appears in messages.
  explicit ChatTemplate(std::string_view source, std::string name = "chat template");
  ~ChatTemplate();
  ChatTemplate(ChatTemplate&&) noexcept;
  ChatTemplate& operator=(ChatTemplate&&) noexcept;

  struct Options {
    bool add_generation_prompt = true;
    std::string bos_token;
    std::string eos_token;
    std::string extra_json;  ///< further variables as a JSON object, e.g. {"enable_thinking": false, "tools": [...]}
    /// What strftime_now shows: seconds since 1970, shown in UTC; unset: the local time of the call.
    std::optional<std::int64_t> now = {};
  };
  /// throws: Error{data} if the template raises (raise_exception) or exceeds a limit
  [[nodiscard]] std::string render(const std::vector<Message>& messages, const Options& options) const;
  /// The same with messages as a JSON array (tool calls, content lists).
  [[nodiscard]] std::string render_json(std::string_view messages_json, const Options& options) const;

  [[nodiscard]] const std::string& source() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// The local time as its clock on the wall shows it, for Options::now: a run that takes it once renders one date.
std::int64_t wall_clock_now();

/// The template a model brings: chat_template.jinja, tokenizer_config.json (string or list, "default"), or GGUF
/// metadata. empty if it has none. throws: Error{data} if it has one that does not read
std::optional<std::string> find_chat_template(const std::filesystem::path& model);

}  // namespace grpo
