#include "libgrpo/assemble/assembly.hpp"
#include "libgrpo/assemble/inspect.hpp"
#include "libgrpo/assemble/open_model.hpp"
#include "libgrpo/assemble/streams.hpp"
#include "libgrpo/base/error.hpp"
#include "libgrpo/rollout/token_ids.inl"
#include "libgrpo/tensor/precompiled.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace grpo {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kLinesAtOnce = 64;

Group read_group(std::string_view line, const ModelConfig& config) {
  const Json json = Json::parse(line, nullptr, false);
  if (json.is_discarded()) throw Error(ErrorKind::data, "not JSON in UTF-8");
  if (!json.is_object()) throw Error(ErrorKind::data, "expected an object, as in {\"prompt_ids\": [1, 2], \"completion_ids\": [3]}");
  Group group;
  group.prompt.ids = read_token_ids(json, "prompt_ids", config.vocab_size);
  if (group.prompt.ids.empty()) throw Error(ErrorKind::data, "prompt_ids is empty: the first token needs one before it");
  Completion completion;
  completion.ids = read_token_ids(json, "completion_ids", config.vocab_size);
  completion.log_probs.resize(completion.ids.size());  // a Batch wants behaviour log-probs; nobody reads them here
  const std::size_t length = group.prompt.ids.size() + completion.ids.size();
  if (length > static_cast<std::size_t>(config.context_length))
    throw Error(ErrorKind::data, fmt::format("{} tokens exceed the model's context of {}", length, config.context_length));
  group.completions.push_back(std::move(completion));
  return group;
}

/// Scores the groups and writes one line for each. A completion without tokens is no part of a Batch.
void score(const CausalLm& policy, double temperature, std::int64_t token_budget, std::vector<Group>& groups, std::ostream& out) {
  std::vector<Group> scored;
  for (const Group& group : groups)
    if (!group.completions[0].ids.empty()) scored.push_back(group);
  std::vector<float> log_probs, entropies;
  if (!scored.empty()) {
    const Batch batch(scored);
    log_probs.resize(static_cast<std::size_t>(batch.num_tokens()));
    entropies.resize(log_probs.size());
    const at::NoGradGuard no_grad;
    for (const Part& part : batch.parts(token_budget)) {
      const TokenScores scores = policy.score(part, temperature);
      const auto token = part.tokens.accessor<std::int64_t, 1>();
      const auto log_prob = scores.log_probs.accessor<float, 1>(), entropy = scores.entropies.accessor<float, 1>();
      for (std::int64_t i = 0; i < token.size(0); ++i) {
        log_probs[static_cast<std::size_t>(token[i])] = log_prob[i];
        entropies[static_cast<std::size_t>(token[i])] = entropy[i];
      }
    }
  }
  auto l = log_probs.begin(), h = entropies.begin();
  for (const Group& group : groups) {
    const auto count = static_cast<std::ptrdiff_t>(group.completions[0].ids.size());
    out << Json{{"logprobs", std::vector<float>(l, l + count)}, {"entropies", std::vector<float>(h, h + count)}}.dump() << "\n";
    l += count;
    h += count;
  }
  groups.clear();
}

}  // namespace

void inspect_logprobs(const Recipe& recipe, std::istream& in, const std::string& name, std::ostream& out) {
  if (recipe.run.num_threads > 0) at::set_num_threads(static_cast<int>(recipe.run.num_threads));
  const auto policy = open_model(recipe);
  const std::int64_t budget = recipe.optimizer.token_budget > 0 ? recipe.optimizer.token_budget : kDefaultTokenBudget;
  std::vector<Group> waiting;
  const auto answer = [&] { score(*policy, recipe.sampling.temperature, budget, waiting, out); };
  try {
    for_each_line(in, name, [&](std::string_view line, std::size_t) {
      waiting.push_back(read_group(line, policy->config()));
      if (waiting.size() == kLinesAtOnce) answer();
    });
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::data) answer();  // what came before the bad line is still answered
    throw;
  }
  answer();
  finish(out);
}

}  // namespace grpo
