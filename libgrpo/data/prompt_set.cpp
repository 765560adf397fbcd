#include "libgrpo/data/prompt_set.hpp"

#include "libgrpo/base/error.hpp"
#include "libgrpo/base/random.hpp"
#include "libgrpo/data/template_variables.hpp"

#include <fmt/format.h>

#include <iterator>
#include <utility>

namespace grpo {
namespace {

std::uint64_t digest(std::string_view text, std::uint64_t index) {
  std::string bytes;  // little-endian on every platform
  for (unsigned shift = 0; shift < 64; shift += 8) bytes += static_cast<char>((index >> shift) & 0xFFU);
  return fnv1a(bytes, fnv1a(text));
}

// System message first, whoever brings it; then the worked examples; then what the row asks.
std::vector<Message> conversation(Row& row, const PromptStyle& style) {
  std::vector<Message> messages;
  auto turn = row.messages.begin();
  if (turn != row.messages.end() && turn->role == "system") {
    messages.push_back(std::move(*turn++));
  } else if (style.system_prompt) {
    messages.push_back({"system", *style.system_prompt});
  }
  for (std::size_t i = 0; i < style.few_shot.size(); ++i) {
    messages.push_back({i % 2 == 0 ? "user" : "assistant", style.few_shot[i]});
  }
  if (row.messages.empty()) {
    messages.push_back({"user", std::move(row.question)});
  } else {
    messages.insert(messages.end(), std::make_move_iterator(turn), std::make_move_iterator(row.messages.end()));
  }
  if (messages.back().role == "assistant" || messages.back().role == "system") {
    throw Error{ErrorKind::data, fmt::format("the conversation ends with a turn of \"{}\", so there is nothing to answer; end it with a "
                                             "\"user\" turn and put the gold answer in the solution column",
                                             messages.back().role)};
  }
  return messages;
}

std::string plain_lines(const std::vector<Message>& messages) {
  std::string text;
  for (const Message& message : messages) {
    if (&message != messages.data()) text += '\n';
    text += message.content;
  }
  return text;
}

}  // namespace

PromptSet::PromptSet(const PromptSource& source, const Tokenizer& tokenizer, const ChatTemplate* chat, PromptStyle style)
    : source_(source), tokenizer_(tokenizer), chat_(chat), style_(std::move(style)) {
  if (style_.few_shot.size() % 2 != 0) {
    throw Error{ErrorKind::recipe, fmt::format("few_shot has {} texts, an odd number: it is question, answer, question, "
                                               "answer, ...",
                                               style_.few_shot.size())};
  }
  if (!style_.now) style_.now = wall_clock_now();
  if (style_.max_prompt_tokens < 0) {
    throw Error{ErrorKind::recipe, fmt::format("max_prompt_length is {}, must be >= 0", style_.max_prompt_tokens)};
  }
  if (style_.drop_overlong) drop_overlong();
}

bool PromptSet::is_overlong(const Prompt& prompt) const {
  return style_.max_prompt_tokens > 0 && static_cast<std::int64_t>(prompt.ids.size()) > style_.max_prompt_tokens;
}

void PromptSet::drop_overlong() {
  for (std::size_t row = 0; row < source_.size(); ++row) {
    const Prompt made = make(row);
    if (is_overlong(made)) {
      dropped_.push_back(fmt::format("{} ({} tokens)", made.source, made.ids.size()));
    } else {
      kept_.push_back(static_cast<std::uint32_t>(row));
    }
  }
  if (kept_.empty()) {
    throw Error{ErrorKind::data, fmt::format("all {} prompts are longer than max_prompt_length = {}; the first is {}", source_.size(),
                                             style_.max_prompt_tokens, dropped_.front())};
  }
}

Prompt PromptSet::prompt(std::size_t index) const {
  if (style_.drop_overlong) return make(kept_.at(index));
  Prompt prompt = make(index);
  if (is_overlong(prompt)) {
    throw Error{ErrorKind::data, fmt::format("{}: the prompt has {} tokens, max_prompt_length is {}: raise it, or leave such rows out with "
                                             "filter_overlong_prompts = true; a prompt is never cut",
                                             prompt.source, prompt.ids.size(), style_.max_prompt_tokens)};
  }
  return prompt;
}

Prompt PromptSet::make(std::size_t index) const {
  Row row = source_.row(index);
  Prompt prompt;
  prompt.source = row.origin;
  try {
    std::vector<Message> messages = conversation(row, style_);
    if (chat_ != nullptr) {
      const ChatTemplate::Options options{true, style_.bos_token, style_.eos_token,
                                          detail::template_variables(style_.chat_template_kwargs, row), style_.now};
      prompt.text =
          row.messages_json.empty() ? chat_->render(messages, options) : chat_->render_json(detail::messages_json(messages, row), options);
      prompt.messages = std::move(messages);
    } else {
      prompt.text = plain_lines(messages);
    }
    prompt.ids = tokenizer_.encode(prompt.text);
    if (prompt.ids.empty()) throw Error{ErrorKind::data, "the prompt is empty: no tokens"};
  } catch (const Error& error) {
    throw Error{error.kind(), fmt::format("{}: {}", row.origin, error.what())};
  }
  prompt.id = digest(prompt.text, index);
  prompt.solution = std::move(row.solution);
  prompt.columns = std::move(row.columns);
  return prompt;
}

}  // namespace grpo
