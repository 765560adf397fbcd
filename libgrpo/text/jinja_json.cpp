// JSON in (messages, extra variables) and out (the tojson filter).
#include "libgrpo/text/jinja_builtins.hpp"
#include "libgrpo/text/jinja_unicode.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <limits>

namespace grpo::jinja {
namespace {

/// Builds values while nlohmann's parser reads, so that keys keep their order and nothing recurses.
class Reader : public nlohmann::json_sax<nlohmann::json> {
 public:
  bool null() override { return add(None{}); }
  bool boolean(bool value) override { return add(value); }
  bool number_integer(number_integer_t value) override { return add(static_cast<std::int64_t>(value)); }
  bool number_unsigned(number_unsigned_t value) override {
    if (value > static_cast<number_unsigned_t>(std::numeric_limits<std::int64_t>::max())) {
      throw Failure("the integer " + std::to_string(value) + " does not fit into 64 bits");
    }
    return add(static_cast<std::int64_t>(value));
  }
  bool number_float(number_float_t value, const string_t& text) override {
    if (text.find_first_of(".eE") == text.npos) throw Failure("the integer " + text.substr(0, 40) + " does not fit into 64 bits");
    return add(value);
  }
  bool string(string_t& value) override { return add(Value(std::move(value))); }
  bool binary(binary_t&) override { return false; }
  bool start_object(std::size_t) override { return open(true); }
  bool key(string_t& name) override {
    open_.back().key = Value(std::move(name));
    return true;
  }
  bool end_object() override { return close(make_dict(std::move(open_.back().dict))); }
  bool start_array(std::size_t) override { return open(false); }
  bool end_array() override { return close(make_list(std::move(open_.back().items))); }
  bool parse_error(std::size_t position, const std::string&, const nlohmann::detail::exception&) override {
    throw Failure("not valid JSON at byte " + std::to_string(position));
  }

  Value result;

 private:
  struct Container {
    bool is_dict = false;
    DictData dict;
    Items items;
    Value key;
  };

  bool open(bool is_dict) {
    if (open_.size() >= static_cast<std::size_t>(kMaxNesting)) {
      throw Failure("JSON nested deeper than " + std::to_string(kMaxNesting) + " levels");
    }
    open_.emplace_back().is_dict = is_dict;
    return true;
  }
  bool close(Value value) {
    open_.pop_back();
    return add(std::move(value));
  }
  bool add(Value value) {
    if (open_.empty()) {
      result = std::move(value);
    } else if (open_.back().is_dict) {
      open_.back().dict.set(open_.back().key, std::move(value));
    } else {
      open_.back().items.push_back(std::move(value));
    }
    return true;
  }

  std::vector<Container> open_;
};

class Writer {
 public:
  Writer(const Bound& options, Budget& budget) : budget_(budget), ascii_(options.flag(0)), sorted_(options.flag(3)) {
    if (options.some(1)) {
      pretty_ = true;
      const std::string* text = options[1].text();
      const std::int64_t spaces = text ? 0 : std::clamp<std::int64_t>(options.integer(1, 0), 0, 1000);
      indent_ = text ? *text : std::string(static_cast<std::size_t>(spaces), ' ');
      item_separator_ = ",";
    }
    if (options.some(2)) {
      const Items* pair = options[2].list();
      if (!pair || pair->size() != 2 || !(*pair)[0].text() || !(*pair)[1].text()) {
        throw Failure("tojson: separators must be a pair of strings");
      }
      item_separator_ = *(*pair)[0].text();
      key_separator_ = *(*pair)[1].text();
    }
  }

  std::string run(const Value& value) {
    put(value);
    return std::move(out_);
  }

 private:
  void add(std::string_view text) {
    budget_.take(text.size());
    if (out_.size() + text.size() > kMaxValueBytes) throw Failure("the JSON text is above the limit");
    out_ += text;
  }

  void new_line(int depth) {
    if (!pretty_) return;
    add("\n");
    for (int i = 0; i < depth; ++i) add(indent_);
  }

  static std::string number(double value) {
    if (std::isnan(value)) return "NaN";
    if (std::isinf(value)) return value < 0 ? "-Infinity" : "Infinity";
    return float_repr(value);
  }

  /// Only scalars; false for the rest.
  bool scalar(const Value& value) {
    if (value.is<None>()) {
      add("null");
    } else if (const auto* b = value.as<bool>()) {
      add(*b ? "true" : "false");
    } else if (const auto* i = value.as<std::int64_t>()) {
      add(std::to_string(*i));
    } else if (const auto* d = value.as<double>()) {
      add(number(*d));
    } else {
      return false;
    }
    return true;
  }

  void put(const Value& value) {
    budget_.step();
    if (scalar(value)) return;
    if (const std::string* text = value.text()) return quoted(*text);
    if (const Items* items = value.list()) return array(*items);
    if (const auto* dict = value.as<Dict>()) return object(**dict);
    throw Failure("a value of type " + type_name(value) + " cannot be written as JSON");
  }

  void array(const Items& items) {
    if (items.empty()) return add("[]");
    add("[");
    ++depth_;
    for (std::size_t i = 0; i < items.size(); ++i) {
      if (i > 0) add(item_separator_);
      new_line(depth_);
      put(items[i]);
    }
    new_line(--depth_);
    add("]");
  }

  void object(const DictData& dict) {
    if (dict.entries.empty()) return add("{}");
    std::vector<const std::pair<Value, Value>*> entries;
    for (const auto& entry : dict.entries) entries.push_back(&entry);
    if (sorted_) {
      std::stable_sort(entries.begin(), entries.end(),
                       [&](const auto* a, const auto* b) { return compare(a->first, b->first, "<", budget_) < 0; });
    }
    add("{");
    ++depth_;
    bool first = true;
    for (const auto* entry : entries) {
      if (!first) add(item_separator_);
      first = false;
      new_line(depth_);
      key(entry->first);
      add(key_separator_);
      put(entry->second);
    }
    new_line(--depth_);
    add("}");
  }

  void key(const Value& name) {
    if (const std::string* text = name.text()) return quoted(*text);
    add("\"");
    if (!scalar(name)) throw Failure("JSON keys must be strings or numbers, not " + type_name(name));
    add("\"");
  }

  static void escape_unit(std::string& out, unsigned unit) {
    static constexpr char kHex[] = "0123456789abcdef";
    out += "\\u";
    for (int shift = 12; shift >= 0; shift -= 4) out += kHex[unit >> shift & 15U];
  }

  void quoted(std::string_view text) {
    budget_.take(text.size());
    std::string out = "\"";
    for (std::size_t at = 0; at < text.size();) {
      const std::size_t start = at;
      const char32_t c = decode_utf8(text, at);
      static constexpr std::string_view kLetters = "\"\\nrtbf";
      static constexpr std::string_view kMeaning = "\"\\\n\r\t\b\f";
      const std::size_t letter = c < 0x80 ? kMeaning.find(static_cast<char>(c)) : kMeaning.npos;
      if (letter != kMeaning.npos) {
        out += '\\';
        out += kLetters[letter];
      } else if (c < 0x20 || (ascii_ && c >= 0x7F && c < 0x10000 && c != 0x7F)) {
        escape_unit(out, c);
      } else if (ascii_ && c >= 0x10000) {
        escape_unit(out, 0xD800U + ((c - 0x10000U) >> 10));
        escape_unit(out, 0xDC00U + ((c - 0x10000U) & 0x3FFU));
      } else {
        out.append(text, start, at - start);
      }
    }
    add(out + "\"");
  }

  Budget& budget_;
  bool ascii_;
  bool sorted_;
  bool pretty_ = false;
  std::string indent_;
  std::string item_separator_ = ", ";
  std::string key_separator_ = ": ";
  std::string out_;
  int depth_ = 0;
};

}  // namespace

std::string to_json(const Value& value, const Bound& options, Budget& budget) { return Writer(options, budget).run(value); }

Value from_json(std::string_view json) {
  Reader reader;
  if (!nlohmann::json::sax_parse(json.begin(), json.end(), &reader)) throw Failure("not valid JSON");
  return std::move(reader.result);
}

}  // namespace grpo::jinja
