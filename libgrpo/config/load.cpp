#include "libgrpo/config/load.hpp"

#include "libgrpo/base/error.hpp"
#include "libgrpo/base/utf8.hpp"
#include "libgrpo/config/field.hpp"
#include "libgrpo/config/flat_reward_args.hpp"
#include "libgrpo/config/known_keys.hpp"
#include "libgrpo/config/validate.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <set>

namespace grpo {
namespace {

constexpr std::size_t kMaxErrors = 50;

class Loader {
 public:
  Loader() : list_(fields(loaded_.recipe)), default_list_(fields(defaults_)) {
    for (std::size_t i = 0; i < list_.size(); ++i) {
      loaded_.origin[list_[i].name] = "default";
      index_[list_[i].name] = i;
      names_.push_back(list_[i].name);
      for (const std::string& alias : list_[i].aliases) index_[alias] = i;
    }
    for (const Field& field : list_) names_.insert(names_.end(), field.aliases.begin(), field.aliases.end());
    for (const char* app_option : {"config", "dry_run", "print_config", "help", "version"}) app_options_.push_back(app_option);
  }
  Loader(const Loader&) = delete;  // the lists point into the object
  Loader& operator=(const Loader&) = delete;

  void read_built_in(std::string_view text) {
    begin_source("built-in recipe");
    parse(text, /*yaml=*/false);
  }

  void read_file(const std::filesystem::path& path);
  void read_command_line(std::span<const Override> overrides);
  LoadedRecipe finish();

 private:
  void begin_source(std::string name) {
    source_ = std::move(name);
    set_here_.clear();
  }
  void parse(std::string_view text, bool yaml);
  void apply(const Entry& entry);
  void apply_unknown(const Entry& entry);
  std::string from_words(const Override& option, Value& value) const;
  // "recipe.toml:12: " or "command line: --"
  std::string place(std::size_t line) const { return source_ + (line > 0 ? ":" + std::to_string(line) : ""); }
  void fail(const std::string& message) { errors_.push_back(message); }

  LoadedRecipe loaded_;
  Recipe defaults_;
  std::vector<Field> list_;
  std::vector<Field> default_list_;
  std::map<std::string, std::size_t> index_;  // names and aliases
  std::vector<std::string> names_;
  std::vector<std::string> app_options_;
  std::vector<std::string> errors_;
  std::set<std::string> failed_;  // options whose value was refused: no cross-check looks at them
  std::string source_;
  FlatRewardArgs flat_args_;
  bool command_line_ = false;
  struct Seen {
    std::string spelling;
    std::string written;
    std::string place;
    bool null;
  };
  std::map<std::string, Seen> set_here_;  // by option: where the present source set it
};

void Loader::read_file(const std::filesystem::path& path) {
  begin_source(show_text(path.string(), 200));
  const std::string extension = path.extension().string();
  const bool yaml = extension == ".yaml" || extension == ".yml";
  if (!yaml && extension != ".toml") {
    return fail(source_ + ": a recipe's name ends in .toml, .yaml or .yml");
  }
  std::error_code code;
  const auto status = std::filesystem::status(path, code);
  if (!std::filesystem::exists(status)) return fail(source_ + ": no such file");
  if (!std::filesystem::is_regular_file(status)) return fail(source_ + ": not a file");
  std::ifstream file(path, std::ios::binary);
  std::string text(kMaxRecipeBytes + 1, '\0');
  errno = 0;
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (file.bad() || !file.is_open()) return fail(source_ + ": cannot be read: " + std::strerror(errno));
  text.resize(static_cast<std::size_t>(file.gcount()));
  parse(text, yaml);
}

void Loader::parse(std::string_view text, bool yaml) {
  if (text.size() > kMaxRecipeBytes) return fail(source_ + ": larger than 1 MiB, so hardly a recipe");
  for (std::size_t at = 0, line = 1; at < text.size(); ++at) {
    const auto byte = static_cast<unsigned char>(text[at]);
    if (byte == '\n') ++line;
    if ((byte < 0x20 && byte != '\n' && byte != '\r' && byte != '\t') || byte == 0x7F) {
      return fail(place(line) + ": holds the control character " + show_text(text.substr(at, 1)) + ", so it is not text");
    }
  }
  try {
    if (!is_utf8(text)) throw SyntaxError(0, "not text in UTF-8");
    const std::vector<std::string> tables = sections(list_);
    const auto entries = yaml ? read_yaml(std::string(text), tables) : read_toml(text, tables);
    for (const Entry& entry : entries) apply(entry);
  } catch (const SyntaxError& error) {
    fail(place(error.line) + ": " + show_text(error.what(), 300));
  }
}

void Loader::read_command_line(std::span<const Override> overrides) {
  begin_source("command line");
  command_line_ = true;
  for (const Override& option : overrides) {
    Entry entry{option.name, {}, ""};
    if (const std::string why = from_words(option, entry.value); !why.empty()) {
      fail("command line: --" + show_text(option.name) + ": " + why);
      if (const auto found = index_.find(option.name); found != index_.end()) failed_.insert(list_[found->second].name);
      continue;
    }
    apply(entry);
  }
}

// The words behind an option of the command line, as a value of the option's shape.
std::string Loader::from_words(const Override& option, Value& value) const {
  const auto found = index_.find(option.name);
  const Slot* slot = found == index_.end() ? nullptr : &list_[found->second].slot;
  const bool is_flag = slot != nullptr && std::holds_alternative<bool*>(*slot);
  const bool is_list =
      slot != nullptr && (std::holds_alternative<std::vector<std::string>*>(*slot) || std::holds_alternative<std::vector<double>*>(*slot));
  const bool is_mixture = slot != nullptr && std::holds_alternative<std::optional<DatasetMixture>*>(*slot);
  const std::vector<std::string>& words = option.words;
  if (words.empty()) {
    value = Value::of_boolean(true);
    return is_flag || slot == nullptr ? "" : "needs a value";
  }
  try {
    const bool json_list = is_list && words.size() == 1 && words[0].starts_with('[');
    if (json_list || (is_mixture && words.size() == 1 && words[0].starts_with('{'))) {
      value = read_json(words[0]);
      return {};
    }
  } catch (const SyntaxError& error) {
    return std::string(error.what()) + ": " + show_text(words[0]);
  }
  if (!is_list && slot != nullptr && words.size() > 1) {
    return "takes one value, got " + std::to_string(words.size()) + ": " + show_text(words[0]) + " " + show_text(words[1]) +
           (words.size() > 2 ? " ..." : "");
  }
  value = Value::of_text(words[0]);
  if (!is_list) return {};
  value = Value{};
  value.kind = Value::Kind::list;
  if (words.size() > 1) {
    for (const std::string& word : words) value.items.push_back(Value::of_text(word));
  } else if (!words[0].empty()) {
    for (std::size_t at = 0, comma = 0; comma != std::string::npos; at = comma + 1) {
      comma = words[0].find(',', at);
      value.items.push_back(Value::of_text(words[0].substr(at, comma == std::string::npos ? comma : comma - at)));
    }
  }
  return {};
}

// maxent-grpo's ways to write vllm_stop_sequences in one word: "a||b", or a JSON list in quotes.
Value split_stop_sequences(const Value& value) {
  Value list;
  list.kind = Value::Kind::list;
  list.line = value.line;
  for (const Value& item : value.kind == Value::Kind::list ? value.items : std::vector<Value>{value}) {
    const bool textual = item.kind == Value::Kind::string || item.kind == Value::Kind::text;
    if (!textual) return value;
    if (value.kind != Value::Kind::list && item.string.starts_with('[')) {
      try {
        return read_json(item.string);
      } catch (const SyntaxError&) {  // then it is a text that begins so
      }
    }
    for (std::size_t at = 0, bars = 0; bars != std::string::npos; at = bars + 2) {
      bars = item.string.find("||", at);
      list.items.push_back(Value::of_string(item.string.substr(at, bars == std::string::npos ? bars : bars - at)));
    }
  }
  return list;
}

void Loader::apply(const Entry& entry) {
  const auto found = index_.find(entry.name);
  if (std::string wrong; flat_args_.take(entry, place(entry.value.line), wrong)) {
    if (!wrong.empty()) fail(place(entry.value.line) + ": " + entry.name + " = " + show(entry.value) + ": " + wrong);
    return;
  }
  if (found == index_.end()) return apply_unknown(entry);
  const Field& field = list_[found->second];
  const std::string written = command_line_ ? "--" + entry.name + "=" + show(entry.value) : entry.name + " = " + show(entry.value);
  const std::string before = to_toml_value(field);
  const bool null = entry.value.kind == Value::Kind::null;
  const auto other = set_here_.find(field.name);
  const bool respelled = other != set_here_.end() && other->second.spelling != entry.name;
  if (null && respelled) return;  // null under one name has nothing against a value under another
  std::string why;
  if (null && !is_optional(field)) {
    copy_value(default_list_[found->second], field);  // null, as in TRL: the option's own default
  } else {
    std::vector<std::string> notes;
    const bool stop = entry.name == "vllm_stop_sequences";
    why = assign(field, stop ? split_stop_sequences(entry.value) : entry.value, notes);
    for (const std::string& note : notes) loaded_.notes.push_back(place(entry.value.line) + ": " + note);
  }
  if (!why.empty()) {
    failed_.insert(field.name);
    return fail(place(entry.value.line) + ": " + written + ": " + why);
  }
  const Seen here{entry.name, written, place(entry.value.line), null};
  const auto [seen, first] = set_here_.try_emplace(field.name, here);
  const bool later_wins = (command_line_ && !respelled) || (seen->second.null && respelled);
  if (!first && !later_wins && to_toml_value(field) != before) {
    fail(here.place + ": " + written + ": the same option as " + seen->second.written +
         (command_line_ ? "" : " (" + seen->second.place + ")") + " with another value; keep one");
  }
  seen->second = here;
  loaded_.origin[field.name] = here.place;
}

void Loader::apply_unknown(const Entry& entry) {
  const std::string name = show_text(entry.name);
  const std::string key = place(entry.value.line) + ": " + (command_line_ ? "--" : "") + name;
  if (const auto verdict = judge_known_key(entry.name, entry.value)) {
    const std::string value = verdict->secret ? "" : (command_line_ ? "=" : " = ") + show(entry.value);
    if (!verdict->error.empty()) fail(key + value + ": " + verdict->error);
    if (!verdict->note.empty()) loaded_.notes.push_back(key + ": " + verdict->note);
    return;
  }
  if (!command_line_ && std::find(app_options_.begin(), app_options_.end(), entry.name) != app_options_.end()) {
    return fail(key + ": belongs on the command line, not in a recipe");
  }
  const bool is_table = entry.value.kind == Value::Kind::table;
  if (errors_.size() > kMaxErrors) return fail(key + ": unknown option");
  std::vector<std::string> candidates = is_table && entry.table.empty() ? sections(list_) : names_;
  if (command_line_) candidates.insert(candidates.end(), app_options_.begin(), app_options_.end());
  const std::vector<std::string> near = nearest_names(entry.name, candidates);
  std::string hint;
  for (std::size_t i = 0; i < near.size(); ++i) hint += (i == 0 ? "; did you mean " : " or ") + near[i];
  if (!hint.empty()) hint += "?";
  if (is_table && hint.empty()) {
    hint = "; tables are";
    for (const std::string& section : sections(list_)) hint += " [" + section + "]";
  }
  fail(key + (is_table ? ": unknown table" : ": unknown option") + hint);
}

LoadedRecipe Loader::finish() {
  flat_args_.put_into(loaded_.recipe.reward, loaded_.notes);
  for (const Problem& problem : cross_check(loaded_.recipe)) {
    const auto refused = [this](const std::string& name) { return failed_.count(name) > 0; };
    if (std::any_of(problem.names.begin(), problem.names.end(), refused)) continue;
    // The place of the first option that was set by hand is the one to go to.
    std::string where;
    for (const std::string& name : problem.names) {
      if (where.empty() && loaded_.origin[name] != "default") where = loaded_.origin[name] + ": ";
    }
    fail(where + problem.names.front() + ": " + problem.message);
  }
  if (errors_.empty()) return std::move(loaded_);
  std::string text;
  for (std::size_t i = 0; i < std::min(errors_.size(), kMaxErrors); ++i) text += (i > 0 ? "\n" : "") + errors_[i];
  if (errors_.size() > kMaxErrors) text += "\nand " + std::to_string(errors_.size() - kMaxErrors) + " more";
  throw Error{ErrorKind::recipe, text};
}

}  // namespace

LoadedRecipe load_recipe(std::string_view built_in, const std::optional<std::filesystem::path>& config,
                         std::span<const Override> overrides) {
  Loader loader;
  if (!built_in.empty()) loader.read_built_in(built_in);
  if (config) loader.read_file(*config);
  loader.read_command_line(overrides);
  return loader.finish();
}

}  // namespace grpo
