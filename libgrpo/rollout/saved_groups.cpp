#include "libgrpo/rollout/saved_groups.hpp"

#include "libgrpo/base/error.hpp"
#include "libgrpo/rollout/token_ids.inl"

#include <algorithm>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace grpo {
namespace {

using Json = nlohmann::ordered_json;

[[noreturn]] void refuse(const std::string& why) { throw Error(ErrorKind::data, why); }

Json reward_json(const Reward& reward) {
  if (reward.has_value()) return reward.value();
  return reward.kind() == Reward::Kind::failed ? Json{{"failed", reward.why()}} : Json(nullptr);
}

Reward read_reward(const Json& json, const std::string& name) {
  if (json.is_null()) return Reward::not_applicable();
  if (json.is_number()) return Reward::of(json.get<double>());
  if (json.is_object() && json.contains("failed") && json["failed"].is_string()) return Reward::failed(json["failed"].get<std::string>());
  refuse(fmt::format("the reward \"{}\" is no number, null or {{\"failed\": \"why\"}}", name));
}

std::vector<std::int32_t> read_ids(const Json& object, const char* key, std::int64_t vocab_size) {
  auto ids = read_token_ids(object, key, vocab_size);
  if (ids.empty()) refuse(fmt::format("\"{}\" is empty: expected at least one id", key));
  return ids;
}

std::string read_text(const Json& object, const char* key) {
  return object.contains(key) && object[key].is_string() ? object[key].get<std::string>() : std::string();
}

/// One number per token; empty if the key is not there.
std::vector<float> read_numbers(const Json& completion, const char* key, std::size_t tokens) {
  if (!completion.contains(key) || completion[key].is_null()) return {};
  const Json& list = completion[key];
  if (!list.is_array() || list.size() != tokens) refuse(fmt::format("\"{}\" has not one number for each of the {} ids", key, tokens));
  std::vector<float> numbers;
  for (const Json& number : list) {
    if (!number.is_number()) refuse(fmt::format("{}[{}] is no number", key, numbers.size()));
    numbers.push_back(number.get<float>());
  }
  return numbers;
}

template <class T>
std::vector<T> slice(const std::vector<T>& all, std::size_t first, std::size_t count) {
  const auto begin = all.begin() + static_cast<std::ptrdiff_t>(first);
  return {begin, begin + static_cast<std::ptrdiff_t>(count)};
}

}  // namespace

std::string to_json_lines(const SavedGroups& saved, std::int64_t step) {
  std::string lines;
  std::size_t i = 0, token = 0;
  for (const Group& group : saved.groups) {
    Json line = {{"step", step},
                 {"prompt_id", group.prompt.id},
                 {"source", group.prompt.source},
                 {"prompt", group.prompt.text},
                 {"prompt_ids", group.prompt.ids},
                 {"solution", group.prompt.solution},
                 {"completions", Json::array()}};
    for (const Completion& completion : group.completions) {
      const std::size_t length = completion.ids.size();
      Json rewards = Json::object();
      for (const RewardColumn& column : saved.rewards.columns) rewards[column.name] = reward_json(column.rewards[i]);
      Json entry = {{"ids", completion.ids}, {"text", completion.text}, {"rewards", rewards}};
      if (!saved.coefficients.empty()) entry["advantage"] = saved.coefficients[i];
      entry["old_logprobs"] = saved.old_log_probs.empty() ? completion.log_probs : slice(saved.old_log_probs, token, length);
      if (!saved.old_log_probs.empty()) entry["sampling_logprobs"] = completion.log_probs;
      if (!saved.ref_log_probs.empty()) entry["ref_logprobs"] = slice(saved.ref_log_probs, token, length);
      if (!completion.entropies.empty()) entry["entropies"] = completion.entropies;
      if (!saved.rewards.modes.empty()) entry["mode"] = saved.rewards.modes[i];
      entry["truncated"] = completion.finish == FinishReason::length;
      if (completion.weight_version >= 0) entry["weight_version"] = completion.weight_version;
      line["completions"].push_back(std::move(entry));
      token += length;
      ++i;
    }
    // Model output may hold anything; text that is no UTF-8 is written with replacement characters.
    lines += line.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
  }
  return lines;
}

/// The parts of one line that are read before anything is kept, so that a bad line leaves no half group behind.
struct SavedGroupsReader::Line {
  Group group;
  std::vector<std::vector<Reward>> rewards;  // by column
  std::vector<std::string> modes;
  std::vector<float> old_log_probs, ref_log_probs;

  static void agree(Presence& seen, bool present, const char* key) {
    const Presence now = present ? Presence::yes : Presence::no;
    if (seen != Presence::unknown && seen != now) refuse(fmt::format("\"{}\" is there for some completions and not for others", key));
    seen = now;
  }
};

SavedGroupsReader::SavedGroupsReader(RewardTable rewards, std::int64_t vocab_size, std::int64_t context_length)
    : vocab_size_(vocab_size), context_length_(context_length) {
  saved_.rewards = std::move(rewards);
}

void SavedGroupsReader::read(std::string_view text) {
  const Json json = Json::parse(text, nullptr, false);
  if (json.is_discarded() || !json.is_object()) refuse("expected a JSON object, as in {\"prompt_ids\": [1], \"completions\": [...]}");
  Line line;
  line.group.prompt.ids = read_ids(json, "prompt_ids", vocab_size_);
  line.group.prompt.text = read_text(json, "prompt");
  line.group.prompt.solution = read_text(json, "solution");
  line.group.prompt.source = read_text(json, "source");
  if (json.contains("prompt_id") && json["prompt_id"].is_number_unsigned()) line.group.prompt.id = json["prompt_id"].get<std::uint64_t>();
  if (!json.contains("completions") || !json["completions"].is_array() || json["completions"].empty())
    refuse("expected a list \"completions\" with at least one completion");
  auto& columns = saved_.rewards.columns;
  line.rewards.resize(columns.size());
  for (const Json& entry : json["completions"]) {
    Completion completion;
    completion.ids = read_ids(entry, "ids", vocab_size_);
    const std::size_t tokens = completion.ids.size();
    if (static_cast<std::int64_t>(line.group.prompt.ids.size() + tokens) > context_length_)
      refuse(fmt::format("{} tokens exceed the model's context of {}", line.group.prompt.ids.size() + tokens, context_length_));
    completion.text = read_text(entry, "text");
    completion.finish = entry.value("truncated", Json(false)) == Json(true) ? FinishReason::length : FinishReason::stop;
    if (const Json version = entry.value("weight_version", Json()); version.is_number_integer())
      completion.weight_version = version.get<std::int64_t>();
    const auto old = read_numbers(entry, "old_logprobs", tokens), ref = read_numbers(entry, "ref_logprobs", tokens),
               sampling = read_numbers(entry, "sampling_logprobs", tokens);
    completion.entropies = read_numbers(entry, "entropies", tokens);
    Line::agree(old_log_probs_, !old.empty(), "old_logprobs");
    Line::agree(ref_log_probs_, !ref.empty(), "ref_logprobs");
    Line::agree(sampling_log_probs_, !sampling.empty(), "sampling_logprobs");
    completion.log_probs = !sampling.empty() ? sampling : !old.empty() ? old : std::vector<float>(tokens, 0.0F);
    if (!sampling.empty()) line.old_log_probs.insert(line.old_log_probs.end(), old.begin(), old.end());
    line.ref_log_probs.insert(line.ref_log_probs.end(), ref.begin(), ref.end());
    const Json rewards = entry.value("rewards", Json());
    if (!rewards.is_object()) refuse("expected an object \"rewards\", as in {\"format\": 1.0}");
    for (std::size_t c = 0; c < columns.size(); ++c)
      line.rewards[c].push_back(read_reward(rewards.value(columns[c].name, Json()), columns[c].name));
    for (const auto& [name, value] : rewards.items())
      if (std::none_of(columns.begin(), columns.end(), [&](const RewardColumn& column) { return column.name == name; }))
        refuse(fmt::format("there is a reward \"{}\", which reward_funcs does not name", name));
    line.modes.push_back(read_text(entry, "mode"));
    line.group.completions.push_back(std::move(completion));
  }
  for (std::size_t c = 0; c < columns.size(); ++c)
    columns[c].rewards.insert(columns[c].rewards.end(), line.rewards[c].begin(), line.rewards[c].end());
  saved_.rewards.modes.insert(saved_.rewards.modes.end(), line.modes.begin(), line.modes.end());
  saved_.old_log_probs.insert(saved_.old_log_probs.end(), line.old_log_probs.begin(), line.old_log_probs.end());
  saved_.ref_log_probs.insert(saved_.ref_log_probs.end(), line.ref_log_probs.begin(), line.ref_log_probs.end());
  saved_.groups.push_back(std::move(line.group));
}

}  // namespace grpo
