#include "libgrpo/base/utf8.hpp"
#include "libgrpo/config/field.hpp"

#include <charconv>
#include <type_traits>
#include <utility>

namespace grpo {
namespace {

using Kind = Value::Kind;
using Notes = std::vector<std::string>;

bool is_textual(const Value& value) { return value.kind == Kind::string || value.kind == Kind::text; }

std::string lower(std::string text) {
  for (char& c : text) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return text;
}

// Digits may be grouped by single underscores, as in TOML and YAML 1.1. A leading + is dropped: from_chars refuses it.
std::string without_grouping(const std::string& text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto digit = [&](std::size_t at) { return at < text.size() && text[at] >= '0' && text[at] <= '9'; };
    const bool groups = text[i] == '_' && i > 0 && digit(i - 1) && digit(i + 1);
    const bool plus = text[i] == '+' && i == 0 && text.size() > 1 && text[1] != '-';
    if (!groups && !plus) out += text[i];
  }
  return out;
}

std::string convert(const Value& value, bool& out, Notes&) {
  if (value.kind == Kind::boolean) {
    out = value.boolean;
    return {};
  }
  if (value.kind == Kind::text) {
    const std::string word = lower(value.string);
    for (const char* yes : {"true", "yes", "on", "1"}) {
      if (word == yes) return out = true, std::string();
    }
    for (const char* no : {"false", "no", "off", "0"}) {
      if (word == no) return out = false, std::string();
    }
  }
  return "expected true or false";
}

std::string convert(const Value& value, std::int64_t& out, Notes&) {
  constexpr const char* kExpected = "expected an integer";
  if (value.kind == Kind::integer) {
    out = value.integer;
    return {};
  }
  if (value.kind != Kind::text) return kExpected;
  const std::string text = without_grouping(value.string);
  const char* end = text.data() + text.size();
  const auto [stop, code] = std::from_chars(text.data(), end, out);
  if (code == std::errc::result_out_of_range && stop == end) return "does not fit an integer of 64 bits";
  return code == std::errc() && stop == end ? "" : kExpected;
}

std::string convert(const Value& value, double& out, Notes&) {
  if (value.kind == Kind::integer) {
    out = static_cast<double>(value.integer);
  } else if (value.kind == Kind::floating) {
    out = value.floating;
  } else if (value.kind == Kind::text) {
    std::string text = without_grouping(value.string);
    const std::size_t sign = text.starts_with('-') ? 1 : 0;
    if (const std::string word = lower(text.substr(sign)); word == ".inf" || word == ".nan") text.erase(sign, 1);  // YAML
    const char* end = text.data() + text.size();
    const auto [stop, code] = std::from_chars(text.data(), end, out);
    if (code == std::errc::result_out_of_range && stop == end) return "does not fit a number of 64 bits";
    if (code != std::errc() || stop != end) return "expected a number";
  } else {
    return "expected a number";
  }
  return {};  // infinity and NaN are for the range to judge
}

std::string convert(const Value& value, std::string& out, Notes&) {
  if (!is_textual(value)) return "expected a string";
  if (!is_utf8(value.string)) return "expected text in UTF-8";
  out = value.string;
  return {};
}

std::string convert(const Value& value, DatasetMixture& out, Notes& notes) { return read_mixture(value, out, notes); }

std::string convert(const Value& value, JsonTable& out, Notes&) { return read_json_table(value, out); }

template <class T>
std::string convert(const Value& value, std::vector<T>& out, Notes& notes) {
  if (value.kind != Kind::list) {  // TRL takes a single word for a list of one
    T item{};
    if (std::string why = convert(value, item, notes); !why.empty()) return why + " or a list of them";
    out = {item};
    return {};
  }
  for (const Value& element : value.items) {
    T item{};
    if (std::string why = convert(element, item, notes); !why.empty()) return why + ", got " + show(element);
    out.push_back(std::move(item));
  }
  return {};
}

std::string names_of(const EnumSlot& slot) {
  std::string text;
  for (std::size_t i = 0; i < slot.names.size(); ++i) {
    if (i > 0) text += i + 1 == slot.names.size() ? " or " : ", ";
    text += slot.names[i];
  }
  return text;
}

// The value under the spelling the field knows it by.
Value respelled(const Field& field, const Value& value) {
  constexpr std::size_t kLongest = 32;
  std::string word;
  if (value.kind == Kind::boolean) word = value.boolean ? "true" : "false";
  if (value.kind == Kind::integer) word = std::to_string(value.integer);
  if (is_textual(value) && value.string.size() <= kLongest) word = lower(value.string);
  const auto found = field.spellings.find(word);
  return found == field.spellings.end() ? value : Value::of_text(found->second);
}

bool is_unset(const Value& value) {
  return value.kind == Kind::null || (value.kind == Kind::text && (value.string == "null" || value.string == "None"));
}

// "none" unsets a number, so that TOML, which has no null, can say it too. A text may well be "none".
template <class T>
bool is_none(const Value& value) {
  return std::is_arithmetic_v<T> && is_textual(value) && value.string == "none";
}

// Converts into a copy, checks the copy's range, and only then touches the member.
struct Assigner {
  const Field& field;
  const Value& value;
  Notes& notes;

  template <class T>
  std::string operator()(T* member) const {
    T fresh{};
    if (std::string why = convert(value, fresh, notes); !why.empty()) return why;
    return keep(member, std::move(fresh));
  }

  template <class T>
  std::string operator()(std::optional<T>* member) const {
    if (is_unset(value) || is_none<T>(value)) {
      member->reset();
      return {};
    }
    T fresh{};
    if (std::string why = convert(value, fresh, notes); !why.empty()) return why;
    return keep(member, std::optional<T>(std::move(fresh)));
  }

  std::string operator()(const EnumSlot& slot) const {
    for (std::size_t i = 0; is_textual(value) && i < slot.names.size(); ++i) {
      if (value.string == slot.names[i]) {
        slot.set(i);
        return {};
      }
    }
    std::string hint;
    if (is_textual(value)) {
      for (const std::string& name : nearest_names(lower(value.string), slot.names)) {
        hint += (hint.empty() ? "; did you mean " : " or ") + name;
      }
    }
    return "expected " + names_of(slot) + hint + (hint.empty() ? "" : "?");
  }

  template <class T>
  std::string keep(T* member, T fresh) const {
    Field trial = field;
    trial.slot = &fresh;
    if (std::string why = range_error(trial); !why.empty()) return why;
    *member = std::move(fresh);
    return {};
  }
};

}  // namespace

std::string assign(const Field& field, const Value& value, std::vector<std::string>& notes) {
  const Value meant = respelled(field, value);
  return std::visit(Assigner{field, meant, notes}, field.slot);
}

bool is_optional(const Field& field) {
  return std::visit(
      [](const auto& slot) {
        using T = std::remove_pointer_t<std::decay_t<decltype(slot)>>;
        return requires {
          typename T::value_type;
          std::declval<T>().has_value();
        };
      },
      field.slot);
}

void copy_value(const Field& from, const Field& to) {
  std::visit(
      [&to](const auto& source) {
        using Source = std::decay_t<decltype(source)>;
        const auto& target = std::get<Source>(to.slot);
        if constexpr (std::is_same_v<Source, EnumSlot>) {
          target.set(source.get());
        } else {
          *target = *source;
        }
      },
      from.slot);
}

}  // namespace grpo
