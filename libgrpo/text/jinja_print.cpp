// str() and repr() of values, as Python prints them.
#include "libgrpo/text/jinja_unicode.hpp"
#include "libgrpo/text/jinja_value.hpp"

#include <charconv>
#include <cmath>
#include <cwctype>

namespace grpo::jinja {
namespace {

class Printer {
 public:
  explicit Printer(Budget& budget) : budget_(budget) {}

  std::string repr(const Value& value) {
    put(value);
    return std::move(out_);
  }

 private:
  void add(std::string_view text) {
    budget_.take(text.size());
    if (out_.size() + text.size() > kMaxValueBytes) throw Failure("the printed value is above the limit");
    out_ += text;
  }

  void put(const Value& value) {
    budget_.step();
    if (++depth_ > 2 * kMaxNesting) throw Failure("a value that contains itself cannot be printed");
    if (value.is<None>()) {
      add("None");
    } else if (const auto* b = value.as<bool>()) {
      add(*b ? "True" : "False");
    } else if (const auto* i = value.as<std::int64_t>()) {
      add(std::to_string(*i));
    } else if (const auto* d = value.as<double>()) {
      add(float_repr(*d));
    } else if (const std::string* text = value.text()) {
      if (value.as<Text>()->markup) add("Markup(");
      quoted(*text);
      if (value.as<Text>()->markup) add(")");
    } else if (const Items* items = value.list()) {
      const bool tuple = value.as<List>()->tuple;
      sequence(*items, tuple ? "(" : "[", tuple ? (items->size() == 1 ? ",)" : ")") : "]");
    } else if (const auto* dict = value.as<Dict>()) {
      mapping(**dict);
    } else if (const auto* stream = value.as<Stream>()) {
      put_stream(**stream);
    } else if (const auto* space = value.as<Namespace>()) {
      add("<Namespace ");
      mapping((*space)->attributes);
      add(">");
    } else if (value.is<Undefined>()) {
      add("Undefined");
    } else if (const auto* function = value.as<Function>()) {
      add("<" + type_name(value) + " '" + (*function)->name + "'>");
    } else {
      add("<LoopContext>");
    }
    --depth_;
  }

  void sequence(const Items& items, std::string_view open, std::string_view close) {
    add(open);
    for (std::size_t i = 0; i < items.size(); ++i) {
      if (i > 0) add(", ");
      put(items[i]);
    }
    add(close);
  }

  void mapping(const DictData& dict) {
    add("{");
    bool first = true;
    for (const auto& [key, value] : dict.entries) {
      if (!first) add(", ");
      first = false;
      put(key);
      add(": ");
      put(value);
    }
    add("}");
  }

  void put_stream(const StreamData& stream) {
    if (stream.kind == StreamData::Kind::view) {
      add(stream.label);
      sequence(stream.items, "([", "])");
    } else {
      add(stream.kind == StreamData::Kind::range ? stream.label : "<generator object>");
    }
  }

  void quoted(std::string_view text) {
    const char quote = text.find('\'') != text.npos && text.find('"') == text.npos ? '"' : '\'';
    std::string out(1, quote);
    for (std::size_t at = 0; at < text.size();) {
      const std::size_t start = at;
      const char32_t c = decode_utf8(text, at);
      static constexpr char kHex[] = "0123456789abcdef";
      if (c == static_cast<char32_t>(quote) || c == '\\') {
        out += '\\';
        out += static_cast<char>(c);
      } else if (c == '\n') {
        out += "\\n";
      } else if (c == '\r') {
        out += "\\r";
      } else if (c == '\t') {
        out += "\\t";
      } else if (c < 0x20 || (c >= 0x7F && c <= 0xA0) || c == 0xAD) {
        out += "\\x";
        out += kHex[c >> 4 & 15U];
        out += kHex[c & 15U];
      } else if (is_space(c) && c != ' ') {  // Python escapes what is not printable; of the rest we know the spaces
        out += "\\u";
        for (int shift = 12; shift >= 0; shift -= 4) out += kHex[c >> shift & 15U];
      } else if (c == 0x200B || c == 0x200C || c == 0x200D || c == 0x200E || c == 0x200F || c == 0xFEFF) {
        out += "\\u";
        for (int shift = 12; shift >= 0; shift -= 4) out += kHex[c >> shift & 15U];
      } else {
        out.append(text, start, at - start);
      }
    }
    add(out + quote);
  }

  Budget& budget_;
  std::string out_;
  int depth_ = 0;
};

}  // namespace

std::string float_repr(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value < 0 ? "-inf" : "inf";
  char buffer[40];
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, value, std::chars_format::scientific);
  const std::string text(buffer, end.ptr);
  const std::size_t mark = text.find('e');
  const int exponent = std::stoi(text.substr(mark + 1));
  std::string digits = text.substr(0, mark);
  const std::string sign = digits[0] == '-' ? "-" : "";
  digits.erase(0, sign.size());
  if (exponent < -4 || exponent >= 16) {
    const std::string size = std::to_string(std::abs(exponent));
    return sign + digits + (exponent < 0 ? "e-" : "e+") + (size.size() < 2 ? "0" : "") + size;
  }
  if (digits.size() > 1) digits.erase(1, 1);  // the point
  const auto count = static_cast<int>(digits.size());
  if (exponent < 0) return sign + "0." + std::string(static_cast<std::size_t>(-exponent - 1), '0') + digits;
  if (count <= exponent + 1) return sign + digits + std::string(static_cast<std::size_t>(exponent + 1 - count), '0') + ".0";
  return sign + digits.insert(static_cast<std::size_t>(exponent + 1), ".");
}

std::string to_repr(const Value& value, Budget& budget) { return Printer(budget).repr(value); }

std::string to_str(const Value& value, Budget& budget) {
  if (const std::string* text = value.text()) return *text;
  if (value.is<Undefined>()) return {};
  return to_repr(value, budget);
}

}  // namespace grpo::jinja
