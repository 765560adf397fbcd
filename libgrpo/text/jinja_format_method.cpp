// "{0:>8} {name.key[0]!r}".format(...): Python's replacement fields and format specifications, without locales.
#include "libgrpo/text/jinja_format_spec.hpp"
#include "libgrpo/text/jinja_methods.hpp"
#include "libgrpo/text/jinja_operators.hpp"

#include <algorithm>

namespace grpo::jinja {
namespace {

/// One pass over a format string; a specification is formatted by a pass of its own.
class Formatter {
 public:
  explicit Formatter(const TextCall& call) : call_(call) {}

  std::string run(std::string_view format, int depth) {
    if (depth > 2) throw Failure("format: fields nested too deep");
    std::string out;
    const auto put = [&](std::string_view text) {
      call_.budget.take(text.size());
      if (out.size() + text.size() > kMaxValueBytes) throw Failure("the formatted text is above the limit");
      out += text;
    };
    while (!format.empty()) {
      const std::size_t brace = std::min(format.find_first_of("{}"), format.size());
      put(format.substr(0, brace));
      format.remove_prefix(brace);
      if (format.empty()) break;
      if (format.size() > 1 && format[1] == format[0]) {
        put(format.substr(0, 1));
        format.remove_prefix(2);
      } else if (format[0] == '}') {
        throw Failure("format: a single '}'");
      } else {
        const std::size_t end = end_of_field(format);
        put(field(format.substr(1, end - 1), depth));
        format.remove_prefix(end + 1);
      }
    }
    return out;
  }

 private:
  /// Of the '}' that closes the '{' at 0; brackets of an index hide braces.
  static std::size_t end_of_field(std::string_view format) {
    int open = 0;
    for (std::size_t i = 0; i < format.size(); ++i) {
      if (format[i] == '{') ++open;
      if (format[i] == '}' && --open == 0) return i;
    }
    throw Failure("format: expected '}'");
  }

  std::string field(std::string_view text, int depth) {
    const std::size_t name_end = std::min(text.find_first_of("!:"), text.size());
    const Value value = lookup(text.substr(0, name_end));
    text.remove_prefix(name_end);
    char conversion = 0;
    if (text.starts_with('!')) {
      if (text.size() < 2 || (text.size() > 2 && text[2] != ':')) throw Failure("format: a bad conversion behind '!'");
      conversion = text[1];
      text.remove_prefix(2);
    }
    const std::string spec = text.empty() ? "" : run(text.substr(1), depth + 1);
    if (conversion == 's') return format_value(Value(to_str(value, call_.budget)), spec, call_.budget);
    if (conversion == 'r') return format_value(Value(to_repr(value, call_.budget)), spec, call_.budget);
    if (conversion) throw Failure("format: unknown conversion '" + std::string(1, conversion) + "'");
    return format_value(value, spec, call_.budget);
  }

  Value lookup(std::string_view path) {
    const std::size_t first_end = std::min(path.find_first_of(".["), path.size());
    Value value = argument(path.substr(0, first_end));
    path.remove_prefix(first_end);
    while (!path.empty()) {
      call_.budget.step();
      const bool index = path[0] == '[';
      if (!index && path[0] != '.') throw Failure("format: only '.' or '[' may follow ']'");
      const std::size_t end = index ? path.find(']') : std::min(path.find_first_of(".[", 1), path.size());
      if (end == path.npos || end == 1) throw Failure("format: an empty attribute or index");
      const std::string_view key = path.substr(1, end - 1);
      value = index ? get_item(value, index_of(key), call_.budget) : get_attribute(value, key, call_.budget);
      path.remove_prefix(index ? end + 1 : end);
    }
    return value;
  }

  static Value index_of(std::string_view key) {
    const bool digits = key.find_first_not_of("0123456789") == key.npos;
    const auto number = digits ? parse_integer(key, 10) : std::nullopt;
    return number ? Value(*number) : Value(key);
  }

  Value argument(std::string_view name) {
    const bool counted = name.empty();
    if (counted || name.find_first_not_of("0123456789") == name.npos) {
      if (numbering_ == (counted ? 2 : 1)) throw Failure("format: automatic and given numbers of fields do not mix");
      numbering_ = counted ? 1 : 2;
      const auto at = static_cast<std::uint64_t>(counted ? next_++ : parse_integer(name, 10).value_or(-1));
      if (at >= call_.arguments.positional.size()) throw Failure("format: there is no argument " + std::string(name));
      return call_.arguments.positional[at];
    }
    for (const auto& [given, value] : call_.arguments.named) {
      if (given == name) return value;
    }
    throw Failure("format: there is no argument '" + std::string(name.substr(0, 100)) + "'");
  }

  const TextCall& call_;
  std::int64_t next_ = 0;
  int numbering_ = 0;  ///< 1: counted, 2: given
};

}  // namespace

Value format_method(const TextCall& call) {
  if (call.markup) throw Failure("format of a text marked safe is not supported");
  return Value(Formatter(call).run(call.self, 1));
}

}  // namespace grpo::jinja
