#include "libgrpo/text/chat_template.hpp"

#include "libgrpo/base/error.hpp"
#include "libgrpo/text/jinja_eval.hpp"
#include "libgrpo/text/jinja_parser.hpp"
#include "libgrpo/text/jinja_unicode.hpp"

#include <algorithm>
#include <ctime>
#include <initializer_list>

namespace grpo {
namespace {

/// "name, line 3, in `{{ messages[0].role }}`: what"
[[noreturn]] void fail_at(const std::string& name, int line, std::string_view source, std::size_t begin, std::size_t end,
                          const std::string& what) {
  begin = std::min(begin, source.size());
  std::string shown(source.substr(begin, std::max(end, begin) - begin));
  constexpr std::size_t kShown = 120;
  if (shown.size() > kShown) shown = jinja::to_valid_utf8(shown.substr(0, kShown)) + "...";
  std::replace(shown.begin(), shown.end(), '\n', ' ');
  throw Error(ErrorKind::data, name + ", line " + std::to_string(line) + ", in `" + shown + "`: " + what);
}

/// Current transformers shows a message's reasoning under both names that templates read.
jinja::Value with_reasoning_names(const jinja::Value& message) {
  const auto& dict = **message.as<jinja::Dict>();
  for (const std::string_view name : {"reasoning_content", "thinking", "reasoning"}) {
    const jinja::Value* reasoning = dict.find(name);
    if (!reasoning || reasoning->is<jinja::None>()) continue;
    jinja::DictData out;
    out.set("thinking", *reasoning);
    for (const auto& [key, value] : dict.entries) out.set(key, value);
    out.set("reasoning_content", *reasoning);
    return jinja::make_dict(std::move(out));
  }
  return message;
}

}  // namespace

struct ChatTemplate::Impl {
  std::string name;
  std::string source;      ///< as given
  std::string normalised;  ///< what places refer to
  jinja::Body body;

  std::string render(jinja::Value messages, const Options& options) const;
};

ChatTemplate::ChatTemplate(std::string_view source, std::string name) : impl_(std::make_unique<Impl>()) {
  impl_->name = std::move(name);
  if (source.size() > jinja::kMaxSourceBytes) {
    throw Error(ErrorKind::data, impl_->name + ": a template of " + std::to_string(source.size()) + " bytes is above the limit of " +
                                     std::to_string(jinja::kMaxSourceBytes));
  }
  if (const auto bad = jinja::first_invalid_utf8(source)) {
    throw Error(ErrorKind::data, impl_->name + ": not valid UTF-8 at byte " + std::to_string(*bad));
  }
  impl_->source = source;
  impl_->normalised = jinja::normalise_source(source);
  const std::string& text = impl_->normalised;
  try {
    impl_->body = jinja::parse(text);
  } catch (const jinja::SyntaxFailure& failure) {
    const std::size_t at = std::min(failure.offset(), text.size());
    const std::size_t begin = at == 0 ? 0 : text.rfind('\n', at - 1) + 1;  // npos + 1 is 0
    const std::size_t from = std::max(begin, at > 60 ? at - 60 : 0);
    const std::size_t end = std::min({text.find('\n', at), at + 60, text.size()});
    fail_at(impl_->name, failure.line(), text, from, end, failure.what());
  }
}

ChatTemplate::~ChatTemplate() = default;
ChatTemplate::ChatTemplate(ChatTemplate&&) noexcept = default;
ChatTemplate& ChatTemplate::operator=(ChatTemplate&&) noexcept = default;

std::int64_t wall_clock_now() {
  const std::time_t now = std::time(nullptr);
  std::tm local{};
  return localtime_r(&now, &local) ? static_cast<std::int64_t>(timegm(&local)) : static_cast<std::int64_t>(now);
}

const std::string& ChatTemplate::source() const { return impl_->source; }

std::string ChatTemplate::Impl::render(jinja::Value messages, const Options& options) const {
  jinja::DictData variables;
  variables.set("messages", std::move(messages));
  variables.set("tools", jinja::None{});  // transformers always passes these two
  variables.set("documents", jinja::None{});
  variables.set("add_generation_prompt", options.add_generation_prompt);
  // A tokenizer without the token leaves the name undefined.
  if (!options.bos_token.empty()) variables.set("bos_token", jinja::to_valid_utf8(options.bos_token));
  if (!options.eos_token.empty()) variables.set("eos_token", jinja::to_valid_utf8(options.eos_token));
  if (!options.extra_json.empty()) {
    jinja::Value extra;
    try {
      extra = jinja::from_json(options.extra_json);
    } catch (const jinja::Failure& failure) {
      throw Error(ErrorKind::data, name + ": extra variables: " + failure.what());
    }
    const auto* dict = extra.as<jinja::Dict>();
    if (!dict) throw Error(ErrorKind::data, name + ": extra variables must be a JSON object, not " + type_name(extra));
    for (const auto& [key, value] : (*dict)->entries) {
      if (*key.text() == "messages") throw Error(ErrorKind::data, name + ": extra variables must not hold 'messages'");
      variables.set(key, value);
    }
  }
  jinja::Evaluator evaluator(body, variables, options.now ? *options.now : wall_clock_now());
  try {
    return evaluator.render();
  } catch (const jinja::Failure& failure) {
    const jinja::Place& place = evaluator.place();
    fail_at(name, place.line, normalised, place.begin, place.end, failure.what());
  }
}

std::string ChatTemplate::render(const std::vector<Message>& messages, const Options& options) const {
  jinja::Items items;
  for (const Message& message : messages) {
    jinja::DictData dict;
    dict.set("role", jinja::to_valid_utf8(message.role));
    dict.set("content", jinja::to_valid_utf8(message.content));
    items.push_back(jinja::make_dict(std::move(dict)));
  }
  return impl_->render(jinja::make_list(std::move(items)), options);
}

std::string ChatTemplate::render_json(std::string_view messages_json, const Options& options) const {
  jinja::Value messages;
  try {
    messages = jinja::from_json(messages_json);
  } catch (const jinja::Failure& failure) {
    throw Error(ErrorKind::data, impl_->name + ": messages: " + failure.what());
  }
  const jinja::Items* given = messages.is<jinja::List>() ? messages.list() : nullptr;
  const bool all_dicts =
      given && std::all_of(given->begin(), given->end(), [](const jinja::Value& message) { return message.is<jinja::Dict>(); });
  if (!all_dicts) {
    jinja::Budget budget;
    throw Error(ErrorKind::data,
                impl_->name + ": messages must be a JSON list of objects, not " + jinja::to_repr(messages, budget).substr(0, 100));
  }
  jinja::Items items;
  for (const jinja::Value& message : *given) items.push_back(with_reasoning_names(message));
  return impl_->render(jinja::make_list(std::move(items)), options);
}

}  // namespace grpo
