#include "libgrpo/trainer/preemption.hpp"

#include "libgrpo/base/error.hpp"
#include "libgrpo/rollout/saved_groups.hpp"

#include <nlohmann/json.hpp>

namespace grpo {
namespace {

using Json = nlohmann::ordered_json;

struct Halt {};  // out of the sampler's callback

}  // namespace

std::string finished_lines(const std::vector<Group>& groups, std::uint64_t seed) {
  std::string lines;
  for (const Group& group : groups) {
    Json line = Json::parse(to_json_lines({{group}, {}, {}, {}, {}}, 0));
    line["seed"] = seed;
    lines += line.dump() + "\n";
  }
  return lines;
}

/// Texts are made again from ids: a file holds no bytes that are no UTF-8.
void StoppableSampler::keep(std::string_view line, std::int64_t vocab_size, std::int64_t context_length) {
  SavedGroupsReader reader(RewardTable(), vocab_size, context_length);
  reader.read(line);
  const Json json = Json::parse(line);
  if (!json.contains("seed") || !json["seed"].is_number_unsigned()) throw Error(ErrorKind::data, "\"seed\" is missing or no integer");
  Group group = reader.saved().groups.front();
  for (Completion& completion : group.completions) completion.text = tokenizer_.decode(completion.ids);
  const std::pair key(json["seed"].get<std::uint64_t>(), group.prompt.id);
  kept_.insert_or_assign(key, std::move(group));
}

const Group* StoppableSampler::kept(const Prompt& prompt, const SamplingParams& params) const {
  const auto found = kept_.find({params.seed, prompt.id});
  if (found == kept_.end() || found->second.prompt.ids != prompt.ids) return nullptr;
  return static_cast<std::int64_t>(found->second.completions.size()) == params.num_generations ? &found->second : nullptr;
}

bool StoppableSampler::wanted() const { return stop_ != nullptr && (stop_->load() || world_.asked_to_stop()); }

std::vector<Group> StoppableSampler::generate(const std::vector<Prompt>& prompts, const SamplingParams& params) {
  std::vector<Group> groups(prompts.size());
  std::vector<Prompt> others;
  std::vector<std::size_t> place;
  std::vector<bool> done(prompts.size(), false);
  const auto finish = [&](std::size_t i, const Group& group) {
    groups[i] = group;
    done[i] = true;
    if (params.on_group) params.on_group(i, groups[i]);
  };
  for (std::size_t i = 0; i < prompts.size(); ++i) {
    if (const Group* group = kept(prompts[i], params)) {
      finish(i, {prompts[i], group->completions});
      continue;
    }
    others.push_back(prompts[i]);
    place.push_back(i);
  }
  SamplingParams watched = params;
  watched.on_group = [&](std::size_t g, const Group& group) { finish(place[g], group); };
  watched.on_token = [&](std::size_t g, std::size_t sample, std::int32_t token) {
    if (params.on_token) params.on_token(place[g], sample, token);
    if (wanted()) throw Halt();
  };
  try {
    std::vector<Group> drawn = inner_.generate(others, watched);
    for (std::size_t g = 0; g < drawn.size(); ++g) groups[place[g]] = std::move(drawn[g]);
  } catch (const Halt&) {
    world_.ask_to_stop();
    std::vector<Group> finished;
    for (std::size_t i = 0; i < groups.size(); ++i)
      if (done[i]) finished.push_back(groups[i]);
    throw StepStopped{finished_lines(finished, params.seed)};
  }
  return groups;
}

}  // namespace grpo
