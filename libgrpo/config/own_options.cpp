#include "libgrpo/config/own_options.hpp"

#include "libgrpo/base/error.hpp"
#include "libgrpo/config/help.hpp"
#include "libgrpo/config/known_keys.hpp"

#include <algorithm>

namespace grpo {
namespace {

template <class T>
bool holds(const Field& field) {
  return std::holds_alternative<T*>(field.slot);
}

bool is_text(const Field& field) { return holds<std::string>(field) || holds<std::optional<std::string>>(field); }

// The words behind an option, written into it; why they cannot be, or empty.
std::string assign_words(const Field& field, const std::vector<std::string>& words) {
  const bool is_list = holds<std::vector<std::string>>(field) || holds<std::vector<double>>(field);
  Value value = Value::of_boolean(true);
  if (words.empty()) {
    if (!holds<bool>(field)) return "needs a value";
  } else if (is_list) {
    value = Value{};
    value.kind = Value::Kind::list;
    for (const std::string& word : words) {
      for (std::size_t at = 0, comma = 0; comma != std::string::npos; at = comma + 1) {
        comma = word.find(',', at);
        value.items.push_back(Value::of_text(word.substr(at, comma == std::string::npos ? comma : comma - at)));
      }
    }
  } else if (words.size() > 1) {
    return "takes one value, got " + std::to_string(words.size()) + ": " + show_text(words[0]) + " " + show_text(words[1]) +
           (words.size() > 2 ? " ..." : "") + (is_text(field) ? "; put it in quotes" : "");
  } else {
    value = is_text(field) ? Value::of_string(words[0]) : Value::of_text(words[0]);
  }
  std::vector<std::string> notes;
  const std::string why = assign(field, value, notes);
  return why.empty() ? why : show(value) + ": " + why;
}

// Names the recipe's loader knows without us.
std::vector<std::string> recipe_names() {
  Recipe recipe;
  std::vector<std::string> names{"config", "print_config", "dry_run", "help", "version"};
  for (const Field& field : fields(recipe)) {
    names.push_back(field.name);
    names.insert(names.end(), field.aliases.begin(), field.aliases.end());
  }
  return names;
}

// What to say of an option that nobody knows and that may have been meant to be an own one; empty: the loader judges
// it.
std::string mistaken(const Override& option, const std::vector<Field>& own) {
  std::vector<std::string> names = recipe_names();
  if (std::find(names.begin(), names.end(), option.name) != names.end()) return {};
  if (judge_known_key(option.name, Value::of_text(option.words.empty() ? "true" : option.words[0]))) return {};
  for (const Field& field : own) names.push_back(field.name);
  const std::vector<std::string> near = nearest_names(option.name, names);
  const bool ours = std::any_of(near.begin(), near.end(), [&own](const std::string& name) {
    return std::any_of(own.begin(), own.end(), [&name](const Field& field) { return field.name == name; });
  });
  if (!ours) return {};
  std::string hint;
  for (const std::string& name : near) hint += (hint.empty() ? "; did you mean " : " or ") + name;
  return "unknown option" + hint + "?";
}

}  // namespace

LoadedRecipe load_recipe(std::string_view built_in, CommandLine line, const std::vector<Field>& own) {
  std::string errors;
  std::vector<Override> rest;
  for (Override& option : line.overrides) {
    const auto field = std::find_if(own.begin(), own.end(), [&](const Field& f) { return f.name == option.name; });
    const std::string why = field == own.end() ? mistaken(option, own) : assign_words(*field, option.words);
    if (!why.empty()) errors += "command line: --" + show_text(option.name) + (field == own.end() ? ": " : "=") + why + "\n";
    if (field == own.end() && why.empty()) rest.push_back(std::move(option));
  }
  try {
    LoadedRecipe loaded = load_recipe(built_in, line.config, rest);
    if (errors.empty()) return loaded;
    errors.pop_back();
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::recipe) throw;
    errors += error.what();
  }
  throw Error{ErrorKind::recipe, errors};
}

std::string help_text(const std::string& app, const std::string& what, const std::vector<Field>& own) {
  constexpr std::size_t kColumn = 48;
  std::string rows;
  for (const Field& field : own) {
    const bool flag = holds<bool>(field);
    std::string line = "  --" + field.name + (flag ? "" : " <" + (field.unit.empty() ? "number" : field.unit) + ">");
    line.append(line.size() + 2 <= kColumn ? kColumn - line.size() : 2, ' ');
    const std::string initial = flag ? "" : to_toml_value(field);
    rows += line + field.help + (initial.empty() || initial == "[]" ? "" : " [default " + initial + "]") + "\n";
  }
  std::string text = help_text(app, what);
  return text.insert(std::min(text.find("\n["), text.size()), "\n" + rows);
}

bool names_data(const CommandLine& line) {
  return line.config || std::any_of(line.overrides.begin(), line.overrides.end(), [](const Override& option) {
           return option.name == "dataset_name" || option.name == "dataset_mixture";
         });
}

std::string without_data(const CommandLine& line, std::string text) {
  return names_data(line) ? text : "dataset_name = \"sums\"\n" + std::move(text);
}

}  // namespace grpo
