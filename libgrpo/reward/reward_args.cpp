#include "libgrpo/reward/reward_args.hpp"

#include "libgrpo/base/error.hpp"
#include "libgrpo/config/field.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

namespace grpo::detail {
namespace {

using Json = nlohmann::json;

[[noreturn]] void refuse(const std::string& text) { throw Error(ErrorKind::recipe, "reward_args: " + text); }

Json parsed(const std::string& tables) {
  Json json = Json::parse(tables, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) refuse("expected a table of tables such as {\"cosine\": {\"max_len\": 1000}}, got " + show_text(tables));
  return json;
}

std::string meant(const std::string& name, const std::vector<std::string>& candidates, std::string_view none) {
  const auto near = nearest_names(name, candidates);
  if (!near.empty()) return fmt::format("; did you mean \"{}\"?", near.front());
  return candidates.empty() ? std::string(none) : fmt::format("; there are {}", fmt::join(candidates, ", "));
}

}  // namespace

struct RewardArgs::Table {
  Json json = Json::object();
  std::vector<std::string> asked;

  const Json* find(const std::string& name) {
    asked.push_back(name);
    const auto found = json.find(name);
    return found == json.end() ? nullptr : &*found;
  }
};

RewardArgs::RewardArgs(std::string_view reward, const std::string& tables) : reward_(reward), table_(std::make_shared<Table>()) {
  const Json all = parsed(tables);
  if (const auto found = all.find(reward_); found != all.end()) table_->json = *found;
  if (!table_->json.is_object()) refuse(fmt::format("{} = {}: expected a table of arguments", reward_, show_text(table_->json.dump())));
}

double RewardArgs::number(const std::string& name, double fallback, double low, double high) {
  const Json* value = table_->find(name);
  if (value == nullptr) return fallback;
  if (!value->is_number() || !(value->get<double>() >= low) || !(value->get<double>() <= high))
    refuse(fmt::format("{}.{} = {}: expected a number within {} and {}", reward_, name, show_text(value->dump()), low, high));
  return value->get<double>();
}

std::int64_t RewardArgs::integer(const std::string& name, std::int64_t fallback, std::int64_t low, std::int64_t high) {
  const Json* value = table_->find(name);
  if (value == nullptr) return fallback;
  if (!value->is_number_integer() || value->get<double>() < static_cast<double>(low) || value->get<double>() > static_cast<double>(high))
    refuse(fmt::format("{}.{} = {}: expected an integer within {} and {}", reward_, name, show_text(value->dump()), low, high));
  return value->get<std::int64_t>();
}

std::string RewardArgs::text(const std::string& name, std::string fallback) {
  const Json* value = table_->find(name);
  if (value == nullptr) return fallback;
  if (!value->is_string()) refuse(fmt::format("{}.{} = {}: expected a text", reward_, name, show_text(value->dump())));
  return value->get<std::string>();
}

bool RewardArgs::flag(const std::string& name, bool fallback) {
  const Json* value = table_->find(name);
  if (value == nullptr) return fallback;
  if (!value->is_boolean()) refuse(fmt::format("{}.{} = {}: expected true or false", reward_, name, show_text(value->dump())));
  return value->get<bool>();
}

void RewardArgs::done() const {
  for (const auto& [name, value] : table_->json.items()) {
    if (std::find(table_->asked.begin(), table_->asked.end(), name) == table_->asked.end())
      refuse(fmt::format("{} has no argument \"{}\"{}", reward_, show_text(name), meant(name, table_->asked, "; it has none")));
  }
}

void RewardArgs::check_names(const std::string& tables, const std::vector<std::string>& rewards) {
  const Json all = parsed(tables);
  for (const auto& [name, value] : all.items()) {
    if (std::find(rewards.begin(), rewards.end(), name) == rewards.end())
      refuse(fmt::format("\"{}\" is not one of reward_funcs{}", show_text(name), meant(name, rewards, "")));
  }
}

}  // namespace grpo::detail
