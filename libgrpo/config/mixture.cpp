#include "libgrpo/config/field.hpp"

namespace grpo {
namespace {

using Kind = Value::Kind;

// Reads one known member of an entry through the same conversions as an option.
std::string read_member(const std::string& name, Slot slot, Range range, const Value& value,
                        std::vector<std::string>& notes) {
  const Field member{"data", name, slot, "", "", range};
  const std::string why = assign(member, value, notes);
  return why.empty() ? "" : name + " = " + show(value) + ": " + why;
}

std::string read_entry(const Value& table, MixtureEntry& entry, std::vector<std::string>& notes) {
  if (table.kind != Kind::table) return "expected a table such as {id = \"a.jsonl\", weight = 0.5}, got " + show(table);
  for (const auto& [name, value] : table.keys) {
    std::string why;
    if (name == "id") {
      why = read_member(name, &entry.id, {}, value, notes);
    } else if (name == "weight") {
      why = read_member(name, &entry.weight, {.low = 0.0, .high = 1.0, .low_open = true}, value, notes);
    } else if (name == "prompt_column") {
      why = read_member(name, &entry.prompt_column, {}, value, notes);
    } else if (name == "solution_column") {
      why = read_member(name, &entry.solution_column, {}, value, notes);
    } else if (name == "columns") {
      if (value.kind != Kind::null) why = read_member(name, &entry.columns, {}, value, notes);
    } else if (name == "config" || name == "split" || name == "revision") {
      notes.push_back("dataset_mixture: " + name + ": has no meaning here, ignored (datasets are local files)");
    } else {
      why = show_text(name) + ": unknown key; known are id, weight, prompt_column, solution_column, columns";
    }
    if (!why.empty()) return why;
  }
  return entry.id.empty() ? "id is missing: the path of a .jsonl file, or sums" : "";
}

}  // namespace

std::string read_mixture(const Value& value, DatasetMixture& mixture, std::vector<std::string>& notes) {
  if (value.kind != Kind::table) return "expected a table {seed = 0, datasets = [{id = \"a.jsonl\", weight = 0.5}]}";
  for (const auto& [name, member] : value.keys) {
    if (name == "seed") {
      if (std::string why = read_member(name, &mixture.seed, {.low = 0.0}, member, notes); !why.empty()) return why;
    } else if (name == "datasets") {
      if (member.kind != Kind::list) return "datasets = " + show(member) + ": expected a list of tables";
      for (std::size_t i = 0; i < member.items.size(); ++i) {
        MixtureEntry entry;
        if (std::string why = read_entry(member.items[i], entry, notes); !why.empty()) {
          return "datasets[" + std::to_string(i) + "]: " + why;
        }
        mixture.datasets.push_back(std::move(entry));
      }
    } else if (name == "test_split_size") {
      if (member.kind != Kind::null)
        return "test_split_size is not there yet; name a held-out file in eval_dataset_name";
    } else {
      return show_text(name) + ": unknown key; known are seed and datasets";
    }
  }
  return mixture.datasets.empty() ? "datasets is missing or empty" : "";
}

std::string to_toml_value(const DatasetMixture& mixture) {
  std::string out = "{seed = " + std::to_string(mixture.seed) + ", datasets = [";
  for (std::size_t i = 0; i < mixture.datasets.size(); ++i) {
    const MixtureEntry& entry = mixture.datasets[i];
    out +=
        std::string(i > 0 ? ", " : "") + "{id = " + toml_string(entry.id) + ", weight = " + show_number(entry.weight);
    if (entry.prompt_column) out += ", prompt_column = " + toml_string(*entry.prompt_column);
    if (entry.solution_column) out += ", solution_column = " + toml_string(*entry.solution_column);
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
