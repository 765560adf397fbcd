#include "libgrpo/config/field.hpp"
#include "libgrpo/config/field_builders.hpp"

#include <algorithm>

namespace grpo {
namespace {

using Kind = Value::Kind;
using Notes = std::vector<std::string>;

// Reads one known member of a table through the same conversions as an option.
std::string read_member(const std::string& name, Slot slot, Range range, const Value& value, Notes& notes) {
  const Field member{"data", name, slot, "", "", range};
  const std::string why = assign(member, value, notes);
  return why.empty() ? "" : name + " = " + show(value) + ": " + why;
}

std::string read_entry(const Value& table, MixtureEntry& entry, Notes& notes) {
  if (table.kind != Kind::table) return "expected a table such as {id = \"a.jsonl\", weight = 0.5}, got " + show(table);
  const std::pair<const char*, Slot> members[] = {{"id", &entry.id},
                                                  {"weight", &entry.weight},
                                                  {"prompt_column", &entry.prompt_column},
                                                  {"solution_column", &entry.solution_column},
                                                  {"columns", &entry.columns},
                                                  {"config", &entry.config},
                                                  {"split", &entry.split},
                                                  {"revision", &entry.revision},
                                                  {"filter", &entry.filter}};
  for (const auto& [name, value] : table.keys) {
    const auto member =
        std::find_if(std::begin(members), std::end(members), [&key = name](const auto& known) { return known.first == key; });
    if (member == std::end(members)) {
      std::string known;
      for (const auto& [known_name, slot] : members) known += (known.empty() ? "" : ", ") + std::string(known_name);
      return show_text(name) + ": unknown key; known are " + known;
    }
    if (value.kind == Kind::null) continue;
    const Range range = name == "weight" ? field_list::above(0) : Range{};
    if (std::string why = read_member(name, member->second, range, value, notes); !why.empty()) return why;
  }
  return entry.id.empty() ? "id is missing: what dataset_name would be" : "";
}

std::string read_entries(const Value& list, DatasetMixture& mixture, Notes& notes) {
  if (list.kind != Kind::list) return "datasets = " + show(list) + ": expected a list of tables";
  for (std::size_t i = 0; i < list.items.size(); ++i) {
    MixtureEntry entry;
    if (std::string why = read_entry(list.items[i], entry, notes); !why.empty()) return "datasets[" + std::to_string(i) + "]: " + why;
    mixture.datasets.push_back(std::move(entry));
  }
  return {};
}

// What no member can say alone: the range of a weight depends on its meaning, and rows of one run have the same columns.
std::string check_entries(const DatasetMixture& mixture) {
  if (mixture.datasets.empty()) return "datasets is missing or empty";
  const std::vector<std::string>* first = nullptr;
  for (std::size_t i = 0; i < mixture.datasets.size(); ++i) {
    const MixtureEntry& entry = mixture.datasets[i];
    const std::string where = "datasets[" + std::to_string(i) + "]: ";
    if (mixture.sampling == MixtureSampling::share && entry.weight > 1.0)
      return where + "weight = " + show_number(entry.weight) +
             ": must be > 0 and <= 1, for it is the share of the rows that are kept "
             "(unless sampling = \"proportional\")";
    if (entry.columns.empty()) continue;
    if (first == nullptr) first = &entry.columns;
    if (!std::is_permutation(first->begin(), first->end(), entry.columns.begin(), entry.columns.end()))
      return where + "columns are others than those of the datasets before it; all that name columns name the same";
  }
  return {};
}

}  // namespace

std::string read_mixture(const Value& value, DatasetMixture& mixture, Notes& notes) {
  if (value.kind != Kind::table) return "expected a table {seed = 0, datasets = [{id = \"a.jsonl\", weight = 0.5}]}";
  for (const auto& [name, member] : value.keys) {
    std::string why;
    if (name == "seed") {
      why = read_member(name, &mixture.seed, field_list::at_least(0), member, notes);
    } else if (name == "datasets") {
      why = read_entries(member, mixture, notes);
    } else if (name == "test_split_size") {
      if (member.kind != Kind::null) why = read_member(name, &mixture.test_split_size, field_list::open(0, 1), member, notes);
    } else if (name == "sampling") {
      why = read_member(name, field_list::one_of(mixture.sampling, {"share", "proportional"}), {}, member, notes);
    } else if (name == "stopping_strategy") {
      why = read_member(name, field_list::one_of(mixture.stopping_strategy, {"first_exhausted", "all_exhausted"}), {}, member, notes);
    } else {
      return show_text(name) + ": unknown key; known are seed, datasets, sampling, stopping_strategy and test_split_size";
    }
    if (!why.empty()) return why;
  }
  return check_entries(mixture);
}

std::string to_toml_value(const DatasetMixture& mixture) {
  std::string out = "{seed = " + std::to_string(mixture.seed);
  if (mixture.sampling == MixtureSampling::proportional) out += ", sampling = \"proportional\"";
  if (mixture.stopping_strategy == StoppingStrategy::all_exhausted) out += ", stopping_strategy = \"all_exhausted\"";
  if (mixture.test_split_size) out += ", test_split_size = " + show_number(*mixture.test_split_size);
  out += ", datasets = [";
  for (std::size_t i = 0; i < mixture.datasets.size(); ++i) {
    const MixtureEntry& entry = mixture.datasets[i];
    const auto member = [&out](const char* name, const std::optional<std::string>& text) {
      if (text) out += std::string(", ") + name + " = " + toml_string(*text);
    };
    out += std::string(i > 0 ? ", " : "") + "{id = " + toml_string(entry.id) + ", weight = " + show_number(entry.weight);
    member("config", entry.config);
    if (entry.split != MixtureEntry{}.split) member("split", entry.split);
    if (entry.revision != MixtureEntry{}.revision) member("revision", entry.revision);
    member("filter", entry.filter);
    member("prompt_column", entry.prompt_column);
    member("solution_column", entry.solution_column);
    if (!entry.columns.empty()) {
      out += ", columns = [";
      for (std::size_t c = 0; c < entry.columns.size(); ++c) out += (c > 0 ? ", " : "") + toml_string(entry.columns[c]);
      out += "]";
    }
    out += "}";
  }
  return out + "]}";
}

}  // namespace grpo
