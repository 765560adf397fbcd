#include "libgrpo/config/value.hpp"

// Some malformed inputs run into toml++'s assertions, which NDEBUG even turns into promises to the optimiser. Here they
// are errors like any other, in every build.
#undef NDEBUG
namespace grpo {
[[noreturn]] static void toml_assertion_failed() { throw SyntaxError(0, "not valid TOML"); }
}  // namespace grpo
#define TOML_ASSERT(condition) (static_cast<bool>(condition) ? void(0) : ::grpo::toml_assertion_failed())
#include <toml++/toml.h>

#include <algorithm>
#include <sstream>

namespace grpo {
namespace {

// A key of very many dots makes toml++ nest tables as deep, and their destructor recurse as deep. Refused here, before
// it is parsed: counts the dots of each stretch outside strings and comments.
void refuse_deep_keys(std::string_view text) {
  std::size_t line = 1;
  std::size_t dots = 0;
  for (std::size_t at = 0; at < text.size(); ++at) {
    const char c = text[at];
    if (c == '"' || c == '\'') {
      const bool multi = text.substr(at, 3) == std::string(3, c);
      std::size_t end = at + (multi ? 3 : 1);
      while (end < text.size()) {
        if (text[end] == '\n') {
          if (!multi) break;
          ++line;
        }
        if (c == '"' && text[end] == '\\') {
          if (end + 1 < text.size() && text[end + 1] == '\n') ++line;
          end += 2;
          continue;
        }
        if (text[end] == c && (!multi || text.substr(end, 3) == std::string(3, c))) break;
        ++end;
      }
      at = end < text.size() && text[end] != '\n' && multi ? end + 2 : end;
      if (at < text.size() && text[at] == '\n') --at;
    } else if (c == '#') {
      at = std::min(text.find('\n', at), text.size()) - 1;
    } else if (c == '.') {
      if (++dots > kMaxRecipeDepth) throw SyntaxError(line, "a key is nested too deeply");
    } else if (c == '\n' || c == '=' || c == ',') {
      dots = 0;
      if (c == '\n') ++line;
    }
  }
}

// toml++ 3.3 leaves the language when it meets some letters beyond ASCII outside a string (it asks whether U+00E9 is a
// space, and reaches code marked unreachable). So it is shown ASCII only: each byte beyond is spelled as a mark, which
// the text does not hold, and two letters, and what it returns is spelled back.
class AsciiSpelling {
 public:
  explicit AsciiSpelling(std::string_view text) {
    for (std::size_t i = 0; text.find(mark_) != std::string_view::npos; ++i) mark_ = "q" + std::to_string(i) + "q";
  }

  [[nodiscard]] std::string spell(std::string_view text) const {
    std::string out;
    for (const char c : text) {
      const auto byte = static_cast<unsigned char>(c);
      if (byte < 0x80U) {
        out += c;
      } else {
        out += mark_;
        out += {static_cast<char>('a' + (byte >> 4U)), static_cast<char>('a' + (byte & 15U))};
      }
    }
    return out;
  }

  [[nodiscard]] std::string restore(std::string_view text) const {
    std::string out;
    for (std::size_t at = 0; at < text.size();) {
      const std::size_t found = std::min(text.find(mark_, at), text.size());
      out += text.substr(at, found - at);
      at = found + mark_.size();
      if (at + 1 < text.size()) out += static_cast<char>(((text[at] - 'a') << 4) | (text[at + 1] - 'a'));
      at = found == text.size() ? found : at + 2;
    }
    return out;
  }

 private:
  std::string mark_ = "qq";
};

Value convert(const toml::node& node, const AsciiSpelling& ascii, std::size_t depth) {
  const std::size_t line = node.source().begin.line;
  if (depth > kMaxRecipeDepth) throw SyntaxError(line, "values are nested too deeply");
  Value value;
  if (const auto* boolean = node.as_boolean()) {
    value = Value::of_boolean(boolean->get());
  } else if (const auto* integer = node.as_integer()) {
    value = Value::of_integer(integer->get());
  } else if (const auto* floating = node.as_floating_point()) {
    value = Value::of_floating(floating->get());
  } else if (const auto* string = node.as_string()) {
    value = Value::of_string(ascii.restore(string->get()));
  } else if (const auto* array = node.as_array()) {
    value.kind = Value::Kind::list;
    for (const auto& item : *array) value.items.push_back(convert(item, ascii, depth + 1));
  } else if (const auto* table = node.as_table()) {
    value.kind = Value::Kind::table;
    for (const auto& [key, item] : *table) {
      value.keys.emplace_back(ascii.restore(key.str()), convert(item, ascii, depth + 1));
    }
  } else {
    std::ostringstream text;
    text << toml::node_view<const toml::node>(node);
    value.kind = Value::Kind::other;
    value.string = text.str();
  }
  value.line = line;
  return value;
}

}  // namespace

std::vector<Entry> read_toml(std::string_view text, const std::vector<std::string>& sections) {
  refuse_deep_keys(text);
  const AsciiSpelling ascii(text);
  std::vector<Entry> entries;
  const auto add = [&](const toml::key& key, const toml::node& node, const std::string& table) {
    entries.push_back({ascii.restore(key.str()), convert(node, ascii, 0), table});
    entries.back().value.line = key.source().begin.line;  // of the key: a table's own line is where it was last opened
  };
  try {
    const toml::table document = toml::parse(ascii.spell(text));
    for (const auto& [key, node] : document) {
      const bool groups = std::find(sections.begin(), sections.end(), key.str()) != sections.end();
      if (groups && node.is_table()) {
        for (const auto& [inner, item] : *node.as_table()) add(inner, item, std::string(key.str()));
      } else {
        add(key, node, "");
      }
    }
  } catch (const toml::parse_error& error) {
    throw SyntaxError(error.source().begin.line, ascii.restore(error.description()));
  }
  // toml++ sorts keys; messages follow the file.
  std::stable_sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) { return a.value.line < b.value.line; });
  return entries;
}

}  // namespace grpo
