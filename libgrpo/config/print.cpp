#include "libgrpo/config/print.hpp"

#include "libgrpo/config/field.hpp"

namespace grpo {
namespace {

struct Writer {
  std::string operator()(const bool* value) const { return *value ? "true" : "false"; }
  std::string operator()(const std::int64_t* value) const { return std::to_string(*value); }
  std::string operator()(const double* value) const { return show_number(*value); }
  std::string operator()(const std::string* value) const { return toml_string(*value); }
  std::string operator()(const DatasetMixture* value) const { return to_toml_value(*value); }
  // As a string, for TOML has no null.
  std::string operator()(const JsonTable* value) const { return toml_string(value->json); }
  std::string operator()(const EnumSlot& slot) const { return toml_string(slot.names.at(slot.get())); }

  template <class T>
  std::string operator()(const std::optional<T>* value) const {
    return *value ? (*this)(&**value) : "";
  }

  template <class T>
  std::string operator()(const std::vector<T>* list) const {
    std::string out = "[";
    for (std::size_t i = 0; i < list->size(); ++i) out += (i > 0 ? ", " : "") + (*this)(&(*list)[i]);
    return out + "]";
  }
};

}  // namespace

std::string to_toml_value(const Field& field) {
  return std::visit([](const auto& slot) { return Writer{}(slot); }, field.slot);
}

std::string to_toml(const LoadedRecipe& loaded, bool with_origins) {
  constexpr std::size_t kCommentColumn = 56;
  Recipe recipe = loaded.recipe;
  Recipe defaults;
  const std::vector<Field> default_list = fields(defaults);
  std::size_t index = 0;
  std::string out;
  std::string section;
  for (const Field& field : fields(recipe)) {
    if (field.section != section) {
      out += (section.empty() ? "[" : "\n[") + field.section + "]\n";
      section = field.section;
    }
    std::string value = to_toml_value(field);
    // Unset against a default that is not: left out, it would read back as the default.
    if (value.empty() && !to_toml_value(default_list[index]).empty()) value = toml_string("none");
    ++index;
    std::string line = value.empty() ? "# " + field.name + " is unset" : field.name + " = " + value;
    const auto origin = loaded.origin.find(field.name);
    if (with_origins && origin != loaded.origin.end()) {
      line.append(line.size() < kCommentColumn ? kCommentColumn - line.size() : 1, ' ');
      line += "# " + show_text(origin->second, 200);
    }
    out += line + '\n';
  }
  return out;
}

}  // namespace grpo
