#include "libgrpo/data/json_row.hpp"

#include "libgrpo/base/error.hpp"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

namespace grpo::detail {
namespace {

using nlohmann::json;

constexpr std::size_t kLongestShown = 60;

// The parser's own words without its error number; its last words quote the input, which may be long or unprintable.
std::string reason_of(const json::exception& error) {
  const std::string_view text = error.what();
  const std::size_t at = text.find("] ");
  std::string shown;
  for (const char c : text.substr(at == std::string_view::npos ? 0 : at + 2)) {
    if (shown.size() == 3 * kLongestShown) return shown + "...";
    shown += (c >= 0x20 && c < 0x7F) ? c : '?';
  }
  return shown;
}

// Receives the parser's events: scalars of the row become columns; deeper values are written down again as compact
// JSON.
class RowReader {
 public:
  using number_integer_t = json::number_integer_t;
  using number_unsigned_t = json::number_unsigned_t;
  using number_float_t = json::number_float_t;
  using string_t = json::string_t;
  using binary_t = json::binary_t;

  std::map<std::string, JsonColumn> columns;
  std::string problem;

  bool null() { return scalar(JsonKind::null, "null"); }
  bool boolean(bool value) { return scalar(JsonKind::boolean, value ? "true" : "false"); }
  bool number_integer(number_integer_t value) { return scalar(JsonKind::number, std::to_string(value)); }
  bool number_unsigned(number_unsigned_t value) { return scalar(JsonKind::number, std::to_string(value)); }
  bool number_float(number_float_t, const string_t& spelled) { return scalar(JsonKind::number, spelled); }
  bool string(string_t& value) { return scalar(JsonKind::text, value); }
  bool binary(binary_t&) { return false; }  // only in binary formats

  bool key(string_t& name) {
    if (depth_ == 1) {
      key_ = name;
      return true;
    }
    comma();
    nested_ += quoted(name) + ":";
    after_key_ = true;
    return true;
  }
  bool start_object(std::size_t) { return open('{', JsonKind::object); }
  bool end_object() { return close('}'); }
  bool start_array(std::size_t) { return open('[', JsonKind::list); }
  bool end_array() { return close(']'); }

  bool parse_error(std::size_t, const std::string&, const json::exception& error) {
    problem = "not valid JSON: " + reason_of(error);
    return false;
  }

 private:
  static std::string quoted(const std::string& text) { return json(text).dump(); }

  void comma() {
    if (!std::exchange(after_key_, false) && nested_.back() != '[' && nested_.back() != '{') nested_ += ',';
  }

  bool scalar(JsonKind kind, std::string_view text) {
    if (depth_ == 0) return not_an_object(kind);
    if (depth_ == 1) {
      columns[key_] = JsonColumn{kind, std::string(text)};
      return true;
    }
    comma();
    nested_ += kind == JsonKind::text ? quoted(std::string(text)) : std::string(text);
    return true;
  }

  bool open(char bracket, JsonKind kind) {
    if (depth_ == 0 && kind != JsonKind::object) return not_an_object(kind);
    if (depth_ == kDeepestJson) {
      problem = fmt::format("nested deeper than {} levels", kDeepestJson);
      return false;
    }
    if (depth_ == 1) {
      kind_ = kind;
      nested_.clear();
    } else if (depth_ > 1) {
      comma();
    }
    ++depth_;
    nested_ += bracket;
    return true;
  }

  bool close(char bracket) {
    --depth_;
    nested_ += bracket;
    if (depth_ == 1) columns[key_] = JsonColumn{kind_, std::move(nested_)};
    return true;
  }

  bool not_an_object(JsonKind kind) {
    problem = fmt::format("expected an object like {{\"question\": ..., \"answer\": ...}}, this is {}", describe(kind));
    return false;
  }

  int depth_ = 0;
  bool after_key_ = false;
  std::string key_;
  std::string nested_;
  JsonKind kind_ = JsonKind::null;
};

}  // namespace

std::string_view describe(JsonKind kind) noexcept {
  switch (kind) {
    case JsonKind::text: return "a string";
    case JsonKind::number: return "a number";
    case JsonKind::boolean: return "true or false";
    case JsonKind::null: return "null";
    case JsonKind::list: return "a list";
    case JsonKind::object: return "an object";
  }
  return "unknown";
}

std::map<std::string, JsonColumn> read_json_row(std::string_view line) {
  RowReader reader;
  if (!json::sax_parse(line.begin(), line.end(), &reader)) throw Error{ErrorKind::data, reader.problem};
  return std::move(reader.columns);
}

namespace {

/// The text of a list of parts such as {"type": "text", "text": "..."}; nothing if it is no such list.
std::optional<std::string> text_of_parts(const json& parts) {
  std::string text;
  for (const json& part : parts) {
    if (!part.is_object() || !part.contains("type")) return std::nullopt;
    if (part["type"] != "text") continue;
    if (!part.contains("text") || !part["text"].is_string()) return std::nullopt;
    text += part["text"].get<std::string>();
  }
  return text;
}

}  // namespace

Conversation read_messages(const std::string& text) {
  const json list = json::parse(text);  // written by RowReader: valid, and nested no deeper than kDeepestJson
  Conversation conversation;
  for (const json& turn : list) {
    const auto field = [&](const char* name) -> std::string {
      const auto found = turn.is_object() ? turn.find(name) : turn.end();
      if (found != turn.end() && found->is_string()) return found->get<std::string>();
      throw Error{ErrorKind::data, fmt::format("turn {} of the conversation has no text \"{}\"; each turn is "
                                               "{{\"role\": \"user\", \"content\": \"...\"}}",
                                               conversation.messages.size() + 1, name)};
    };
    Message message{field("role"), {}};
    const auto content = turn.find("content");
    const bool absent = content == turn.end() || content->is_null();
    std::optional<std::string> parts;
    if (content != turn.end() && content->is_array()) parts = text_of_parts(*content);
    if (parts) {
      message.content = std::move(*parts);
    } else if (!absent || !turn.contains("tool_calls")) {
      message.content = field("content");
    }
    conversation.plain = conversation.plain && turn.size() == 2 && content != turn.end() && content->is_string();
    conversation.messages.push_back(std::move(message));
  }
  if (conversation.messages.empty()) throw Error{ErrorKind::data, "the conversation has no turns"};
  return conversation;
}

}  // namespace grpo::detail
