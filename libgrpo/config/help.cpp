#include "libgrpo/config/help.hpp"

#include "libgrpo/config/field.hpp"

#include <sstream>

namespace grpo {
namespace {

constexpr std::size_t kColumn = 48;
constexpr std::size_t kWidth = 120;

// `left` in the first column, `text` wrapped in the second; `tail` ends it and is broken at most before its "default".
void add_row(std::string& out, const std::string& left, const std::string& text, const std::string& tail = "") {
  std::string line = "  " + left;
  line.append(line.size() + 2 <= kColumn ? kColumn - line.size() : 2, ' ');
  bool first = true;
  const auto add = [&](const std::string& word) {
    if (!first && line.size() + 1 + word.size() > kWidth) {
      out += line + '\n';
      line = std::string(kColumn, ' ') + word;
    } else {
      line += (first ? "" : " ") + word;
    }
    first = false;
  };
  std::istringstream words(text);
  for (std::string word; words >> word;) add(word);
  const std::size_t cut = kColumn + tail.size() > kWidth ? tail.find(" default ") : std::string::npos;
  if (!tail.empty()) add(tail.substr(0, cut));
  if (cut != std::string::npos) add(tail.substr(cut + 1));
  out += line + '\n';
}

std::string choices(const EnumSlot& slot) {
  std::string text;
  for (const std::string& name : slot.names) text += (text.empty() ? "" : "|") + name;
  return text;
}

std::string placeholder(const Field& field) {
  if (std::holds_alternative<bool*>(field.slot)) return "[true|false]";
  if (std::holds_alternative<EnumSlot>(field.slot)) return "<choice>";
  if (!field.unit.empty()) return "<" + field.unit + ">";
  return std::holds_alternative<std::int64_t*>(field.slot) ? "<integer>" : "<number>";
}

// "[>= 1; default 8]"
std::string bracket(const Field& field) {
  std::string value = to_toml_value(field);
  if (value.size() > 2 && value.front() == '"') value = value.substr(1, value.size() - 2);
  std::string text = field.range.text();
  if (const auto* slot = std::get_if<EnumSlot>(&field.slot)) text = choices(*slot);
  if (!text.empty()) text += "; ";
  if (value == "\"\"") return "[required]";
  return "[" + text + "default " + (value.empty() ? "unset" : value) + "]";
}

std::string aliases(const Field& field) {
  std::string text;
  for (const std::string& alias : field.aliases) text += (text.empty() ? " (also " : ", ") + alias;
  return text.empty() ? text : text + ")";
}

// What may be given, for a table: choices, or the unit and the range.
std::string accepted(const Field& field) {
  if (std::holds_alternative<bool*>(field.slot)) return "`true`, `false`";
  std::string text;
  if (const auto* slot = std::get_if<EnumSlot>(&field.slot)) {
    for (const std::string& name : slot->names) text += (text.empty() ? "`" : ", `") + name + "`";
    return text;
  }
  const std::string range = field.range.text();
  return field.unit + (field.unit.empty() || range.empty() ? "" : ", ") + range;
}

// In a cell, a bar would end it, and < would begin a tag.
std::string cell(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '|' || c == '<' || c == '>' || c == '*' || c == '[' || c == '_') out += '\\';
    out += c;
  }
  return out;
}

}  // namespace

std::string options_markdown() {
  std::string out, section;
  Recipe defaults;
  for (const Field& field : fields(defaults)) {
    if (field.section != section) out += "\n## " + field.section + "\n\n| option | accepts | default | meaning |\n|---|---|---|---|\n";
    section = field.section;
    const std::string value = to_toml_value(field);
    const std::string shown = value.empty() ? "unset" : value == "\"\"" ? "required" : "`" + value + "`";
    const std::string taken = accepted(field);
    out += "| `" + field.name + "` | " + (taken.find('`') == std::string::npos ? cell(taken) : taken) + " | " + shown + " | " +
           cell(field.help + aliases(field)) + " |\n";
  }
  return out;
}

std::string help_text(const std::string& app, const std::string& what) {
  std::string out = app + ": " + what + "\n\nUsage: " + app + " [--config <recipe.toml>] [--option <value>] ...\n\n";
  out +=
      "A recipe is TOML, or YAML as TRL writes it; its options are those below, under the same names. Options given "
      "here\n"
      "win over the recipe. A list is written a,b or as a JSON array or as several words.\n\n";
  add_row(out, "--config <path>", "recipe to read: .toml, .yaml or .yml");
  add_row(out, "--print_config", "print the resolved recipe and where each value came from, then stop");
  add_row(out, "--dry_run", "do everything but train, and print the plan");
  add_row(out, "--help", "print this text");
  add_row(out, "--version", "print the version");
  Recipe defaults;
  std::string section;
  for (const Field& field : fields(defaults)) {
    if (field.section != section) out += "\n[" + field.section + "]\n";
    section = field.section;
    add_row(out, "--" + field.name + " " + placeholder(field), field.help + aliases(field), bracket(field));
  }
  return out;
}

}  // namespace grpo
