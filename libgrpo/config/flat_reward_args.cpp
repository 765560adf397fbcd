#include "libgrpo/config/flat_reward_args.hpp"

#include "libgrpo/config/field.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>

namespace grpo {
namespace {

using Json = nlohmann::json;

struct Flat {
  const char *name, *reward, *argument;
};

constexpr std::array kFlat = {
    Flat{"cosine_min_value_wrong", "cosine", "min_value_wrong"},
    Flat{"cosine_max_value_wrong", "cosine", "max_value_wrong"},
    Flat{"cosine_min_value_correct", "cosine", "min_value_correct"},
    Flat{"cosine_max_value_correct", "cosine", "max_value_correct"},
    Flat{"cosine_max_len", "cosine", "max_len"},
    Flat{"repetition_n_grams", "repetition_penalty", "n_grams"},
    Flat{"repetition_max_penalty", "repetition_penalty", "max_penalty"},
};

const Flat* find(const std::string& name) {
  const auto* found = std::find_if(kFlat.begin(), kFlat.end(), [&name](const Flat& flat) { return name == flat.name; });
  return found == kFlat.end() ? nullptr : found;
}

}  // namespace

bool FlatRewardArgs::take(const Entry& entry, const std::string& place, std::string& why) {
  const Flat* flat = find(entry.name);
  if (flat == nullptr) return false;
  Value table;
  table.kind = Value::Kind::table;
  table.keys = {{flat->argument, entry.value}};
  JsonTable read;
  why = read_json_table(table, read);
  if (why.empty() && !Json::parse(read.json)[flat->argument].is_number()) why = "expected a number";
  if (why.empty()) kept_[entry.name] = {read.json, place};
  return true;
}

void FlatRewardArgs::put_into(RewardOptions& options, std::vector<std::string>& notes) const {
  Json args = options.reward_args ? Json::parse(options.reward_args->json) : Json::object();
  bool changed = false;
  for (const auto& [name, kept] : kept_) {
    const Flat& flat = *find(name);
    const auto& rewards = options.reward_funcs;
    if (std::find(rewards.begin(), rewards.end(), flat.reward) == rewards.end()) {
      notes.push_back(kept.place + ": " + name + ": has no meaning here, ignored (" + flat.reward + " is not one of reward_funcs)");
      continue;
    }
    Json& of_reward = args[flat.reward];
    if (of_reward.is_null()) of_reward = Json::object();
    if (!of_reward.is_object() || of_reward.contains(flat.argument)) continue;
    of_reward[flat.argument] = Json::parse(kept.json)[flat.argument];
    changed = true;
    notes.push_back(kept.place + ": " + name + ": taken as reward_args " + flat.reward + "." + flat.argument +
                    (std::string(flat.argument) == "max_len" ? ", which counts tokens" : ""));
  }
  if (changed) options.reward_args = JsonTable{args.dump()};
}

}  // namespace grpo
