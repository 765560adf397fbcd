#include "libgrpo/trainer/dealt.hpp"

#include "libgrpo/base/check.hpp"
#include "libgrpo/dist/deal.hpp"
#include "libgrpo/reward/scoring.hpp"
#include "libgrpo/tensor/precompiled.hpp"
#include "libgrpo/trainer/preemption.hpp"

#include <algorithm>
#include <cstring>
#include <nlohmann/json.hpp>
#include <optional>

namespace grpo {
namespace {

using Json = nlohmann::json;
using Bytes = std::vector<std::uint8_t>;

/// Anything but numbers goes as bytes: texts may hold what is no UTF-8.
template <class List>
Json to_bytes(const List& values) {
  Bytes bytes(values.size() * sizeof(values[0]));
  if (!bytes.empty()) std::memcpy(bytes.data(), values.data(), bytes.size());
  return Json::binary(std::move(bytes));
}

template <class List>
List from_bytes(const Json& json) {
  const auto& bytes = json.get_binary();
  List values;
  values.resize(bytes.size() / sizeof(values[0]));
  if (!bytes.empty()) std::memcpy(values.data(), bytes.data(), bytes.size());
  return values;
}

Json to_json(const Reward& reward) {
  if (reward.has_value()) return reward.reason().empty() ? Json(reward.value()) : Json{reward.value(), to_bytes(reward.reason())};
  return reward.kind() == Reward::Kind::failed ? to_bytes(reward.why()) : Json();
}

Reward reward_of(const Json& json) {
  if (json.is_null()) return Reward::not_applicable();
  if (json.is_binary()) return Reward::failed(from_bytes<std::string>(json));
  return json.is_array() ? Reward::of(json.at(0).get<double>(), from_bytes<std::string>(json.at(1))) : Reward::of(json.get<double>());
}

/// Everything but the prompts, which every rank has.
std::string pack(const ScoredGroups& own) {
  Json completions = Json::array(), columns = Json::array(), modes = Json::array();
  for (const Group& group : own.groups)
    for (const Completion& c : group.completions)
      completions.push_back({to_bytes(c.ids), to_bytes(c.log_probs), to_bytes(c.entropies), to_bytes(c.text),
                             c.finish == FinishReason::stop, c.weight_version});
  for (const RewardColumn& column : own.rewards.columns) {
    Json rewards = Json::array();
    for (const Reward& reward : column.rewards) rewards.push_back(to_json(reward));
    columns.push_back({to_bytes(column.name), column.weight, column.seconds, std::move(rewards)});
  }
  for (const std::string& mode : own.rewards.modes) modes.push_back(to_bytes(mode));
  const Bytes bytes = Json::to_cbor(Json{{"completions", completions}, {"columns", columns}, {"modes", modes}});
  return {bytes.begin(), bytes.end()};
}

/// One rank's packed groups, read from the front.
class Unpacker {
 public:
  explicit Unpacker(const std::string& bytes) : json_(Json::from_cbor(bytes.begin(), bytes.end())) {}

  void take_group(const Prompt& prompt, std::int64_t completions, ScoredGroups& to) {
    Group group{prompt, {}};
    for (std::int64_t i = 0; i < completions; ++i, ++next_) {
      const Json& c = json_.at("completions").at(next_);
      group.completions.push_back({from_bytes<std::vector<std::int32_t>>(c.at(0)), from_bytes<std::vector<float>>(c.at(1)),
                                   from_bytes<std::vector<float>>(c.at(2)), from_bytes<std::string>(c.at(3)),
                                   c.at(4).get<bool>() ? FinishReason::stop : FinishReason::length, c.at(5).get<std::int64_t>()});
      for (std::size_t k = 0; k < to.rewards.columns.size(); ++k)
        to.rewards.columns[k].rewards.push_back(reward_of(json_.at("columns").at(k).at(3).at(next_)));
      if (const Json& modes = json_.at("modes"); !modes.empty()) to.rewards.modes.push_back(from_bytes<std::string>(modes.at(next_)));
    }
    to.groups.push_back(std::move(group));
  }
  /// Names and weights of the reward columns; the run waited for the slowest rank.
  void merge_columns(std::vector<RewardColumn>& columns) const {
    const Json& found = json_.at("columns");
    for (std::size_t k = 0; k < found.size(); ++k) {
      if (columns.size() <= k) columns.push_back({from_bytes<std::string>(found[k].at(0)), found[k].at(1).get<double>(), {}, 0.0});
      columns[k].seconds = std::max(columns[k].seconds, found[k].at(2).get<double>());
    }
  }

 private:
  Json json_;
  std::size_t next_ = 0;
};

ScoredGroups gather(World& world, const ScoredGroups& own, const std::vector<Prompt>& prompts, const std::vector<int>& owner,
                    std::int64_t num_generations) {
  std::vector<Unpacker> ranks;
  for (const std::string& bytes : world.gather_bytes(pack(own))) ranks.emplace_back(bytes);
  ScoredGroups all;
  for (const Unpacker& rank : ranks) rank.merge_columns(all.rewards.columns);
  for (std::size_t p = 0; p < prompts.size(); ++p) ranks[static_cast<std::size_t>(owner[p])].take_group(prompts[p], num_generations, all);
  return all;
}

/// Throws on all ranks if the sampler of one was stopped.
void stop_together(World& world, const std::optional<StepStopped>& here, const std::vector<Group>& groups, std::uint64_t seed) {
  const auto stopped = at::full({1}, here ? 1 : 0, at::kLong);
  world.sum(stopped);
  if (stopped.item<std::int64_t>() == 0) return;
  StepStopped all;
  for (const std::string& lines : world.gather_bytes(here ? here->finished : finished_lines(groups, seed))) all.finished += lines;
  throw all;
}

}  // namespace

ScoredGroups sample_and_score(World& world, Sampler& sampler, const RewardSet& reward, const std::vector<Prompt>& prompts,
                              const SamplingParams& params, Phases& phases) {
  std::vector<std::int64_t> costs;
  for (const Prompt& prompt : prompts)
    costs.push_back(static_cast<std::int64_t>(prompt.ids.size()) + params.num_generations * params.max_completion_length);
  const std::vector<int> owner = deal(costs, world.size());
  std::vector<Prompt> mine;
  for (std::size_t p = 0; p < prompts.size(); ++p)
    if (owner[p] == world.rank()) mine.push_back(prompts[p]);
  ScoredGroups own;
  Scoring scoring(reward, mine.size());
  SamplingParams watched = params;
  watched.on_group = [&scoring](std::size_t g, const Group& group) { scoring.add(g, std::make_shared<const Group>(group)); };
  std::optional<StepStopped> stopped;
  try {
    own.groups = phases.time("sample", [&] { return sampler.generate(mine, watched); });
  } catch (const StepStopped& early) {
    stopped = early;
  }
  stop_together(world, stopped, own.groups, params.seed);
  own.rewards = phases.time("reward", [&] { return scoring.finish(own.groups); });
  if (world.size() == 1) return own;
  return phases.time("gather", [&] { return gather(world, own, prompts, owner, params.num_generations); });
}

std::vector<bool> own_completions(const World& world, const Batch& batch, const std::vector<bool>& active) {
  const auto count = static_cast<std::size_t>(batch.num_completions());
  std::vector<bool> mine = active.empty() ? std::vector<bool>(count, true) : active;
  if (world.size() == 1) return mine;
  std::vector<std::int64_t> costs(static_cast<std::size_t>(batch.num_groups()), 0);
  for (std::size_t i = 0; i < count; ++i) {
    const std::int64_t group = batch.group_of()[i];
    auto& cost = costs[static_cast<std::size_t>(group)];
    if (mine[i]) cost += (cost == 0 ? batch.prompt_length(group) : 0) + batch.length(static_cast<std::int64_t>(i));
  }
  const std::vector<int> owner = deal(costs, world.size());
  for (std::size_t i = 0; i < count; ++i)
    if (owner[static_cast<std::size_t>(batch.group_of()[i])] != world.rank()) mine[i] = false;
  return mine;
}

TokenScores score_dealt(World& world, const Scorer& scorer, const Batch& batch, const PassOptions& options, const std::vector<bool>& active,
                        const std::function<void()>& behind_passes) {
  TokenScores scores = score_batch(scorer, batch, options, own_completions(world, batch, active));
  if (behind_passes) behind_passes();
  world.sum(scores.log_probs);
  world.sum(scores.entropies);
  return scores;
}

Meters merge_meters(World& world, const Meters& mine) {
  Json sums = Json::object();
  for (const auto& [name, mean] : mine.sums()) sums[name] = {mean.sum, mean.weight};
  const Bytes bytes = Json::to_cbor({{"sums", sums}, {"largest", mine.largest()}, {"smallest", mine.smallest()}});
  Meters merged;
  for (const std::string& rank : world.gather_bytes({bytes.begin(), bytes.end()})) {
    const Json theirs = Json::from_cbor(rank.begin(), rank.end());
    for (const auto& [name, mean] : theirs.at("sums").items()) merged.add(name, mean.at(0).get<double>(), mean.at(1).get<double>());
    for (const auto& [name, value] : theirs.at("largest").items()) merged.add_largest(name, value.get<double>());
    for (const auto& [name, value] : theirs.at("smallest").items()) merged.add_smallest(name, value.get<double>());
  }
  return merged;
}

}  // namespace grpo
