/// The list of options: each one said once.
///
/// fields(recipe) lists every option in the order of the data's way and points each at its member of `recipe`. TOML and
/// YAML reading, the command line, --help, --print_config and the resolved recipe are all loops over this list; the
/// default of an option is the member's value in Recipe{}. To add an option: a member in recipe.hpp or
/// objective_options.hpp, a line in fields.cpp or fields_objective.cpp, and where it depends on others a check in
/// validate.cpp or validate_objective.cpp.
#pragma once

#include "libgrpo/config/recipe.hpp"
#include "libgrpo/config/value.hpp"

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace grpo {

/// An enum member seen by its names; names[i] is the spelling of the enumerator with value i.
struct EnumSlot {
  std::vector<std::string> names;
  std::function<std::size_t()> get;
  std::function<void(std::size_t)> set;
};

/// Counts stop here, so that products of two of them cannot overflow.
inline constexpr double kMaxCount = 1e9;

/// Where an option lives in a Recipe, by type.
using Slot = std::variant<bool*, std::int64_t*, double*, std::string*, std::optional<std::int64_t>*, std::optional<double>*,
                          std::optional<std::string>*, std::vector<std::string>*, std::vector<double>*, std::optional<DatasetMixture>*,
                          std::optional<JsonTable>*, EnumSlot>;

/// Which numbers are allowed: an interval, and one number outside it that has a meaning of its own (-1, say). Numbers
/// are finite, unless `infinite` lets infinity through; NaN never is a number.
struct Range {
  std::optional<double> low = {};
  std::optional<double> high = {};
  bool low_open = false;
  bool high_open = false;
  std::optional<double> special = {};
  bool infinite = false;

  [[nodiscard]] bool contains(double value) const;
  [[nodiscard]] std::string text() const;  ///< ">= 1", "> 0 and <= 1", "-1 or >= 1"; empty if everything goes
};

struct Field {
  std::string section;  ///< TOML table
  std::string name;     ///< flat and unique
  Slot slot;
  std::string unit = {};  ///< "tokens", "completions", ...; empty if none
  std::string help = {};  ///< one sentence without its full stop
  Range range = {};
  std::vector<std::string> aliases = {};
  std::map<std::string, std::string> spellings = {};  ///< further spellings of a value, lower case: {"true", "group"}
};

/// All options of a recipe. The recipe must outlive the list and stay where it is.
std::vector<Field> fields(Recipe& recipe);

/// Section names in order, each once.
std::vector<std::string> sections(const std::vector<Field>& list);

/// Writes a value into the option.
/// Returns why it cannot be ("expected an integer", "must be >= 1"), the member then being unchanged; empty if it was
/// written. Appends to `notes` what was accepted without meaning here.
std::string assign(const Field& field, const Value& value, std::vector<std::string>& notes);

/// Sets the option to the value of the same option in another list.
void copy_value(const Field& from, const Field& to);

/// Why the present value is out of range; empty if it is not.
std::string range_error(const Field& field);

/// Whether the option may be unset: its member is a std::optional.
bool is_optional(const Field& field);

/// The present value as TOML; empty if unset.
std::string to_toml_value(const Field& field);

/// Names that `name` may have been meant to be, nearest first, at most three.
std::vector<std::string> nearest_names(const std::string& name, const std::vector<std::string>& candidates);

/// dataset_mixture from a table; returns why it cannot be, or empty.
std::string read_mixture(const Value& value, DatasetMixture& mixture, std::vector<std::string>& notes);

/// A table, or a string with a JSON object, as one line of JSON; returns why it cannot be, or empty.
std::string read_json_table(const Value& value, JsonTable& table);

/// dataset_mixture as a TOML inline table.
std::string to_toml_value(const DatasetMixture& mixture);

}  // namespace grpo
