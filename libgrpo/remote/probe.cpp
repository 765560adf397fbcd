#include "libgrpo/remote/probe.hpp"

#include "libgrpo/base/error.hpp"
#include "libgrpo/remote/own_scores.hpp"
#include "libgrpo/sampler/in_process_sampler.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <algorithm>

namespace grpo::remote {
namespace {

using Ids = std::vector<std::int32_t>;

// Numbers, case, accents, another script, spaces in a row: what tokenizers differ in.
constexpr const char* kText = "1 + 1 = 2; The Na\xC3\xAFve caf\xC3\xA9,  \xE4\xBD\xA0\xE5\xA5\xBD\n\tx_1 = 12345.";
constexpr double kFar = 0.1;  // nats; half precision differs by about 0.01

std::string shown(const Ids& ids) {
  const auto count = static_cast<std::ptrdiff_t>(std::min<std::size_t>(ids.size(), 16));
  return fmt::format("{}{}", fmt::join(ids.begin(), ids.begin() + count, " "), ids.size() > 16 ? " ..." : "");
}

}  // namespace

void check_tokenizer(const GenerationServer& server, const Probe& probe) {
  const Ids ours = probe.tokenizer.encode(kText);
  const auto theirs = server.tokens_of(kText, probe.seconds);
  if (!theirs)
    return probe.log.warning(
        fmt::format("{} does not say how it reads a text; its tokenizer is believed to be the run's", server.address().url()));
  if (server.identity().kind == ServerKind::text) {
    if (theirs->size() != ours.size())
      probe.log.warning(fmt::format("{} reads a probe as {} tokens, the run as {}: it puts a token in front, or serves another model",
                                    server.address().url(), theirs->size(), ours.size()));
    return;
  }
  const bool same = *theirs == ours || (theirs->size() == ours.size() + 1 && std::equal(ours.begin(), ours.end(), theirs->begin() + 1));
  if (!same)
    throw Error(ErrorKind::backend, fmt::format("{} serves another model ({}): it reads a probe text as tokens {}, the run as {}",
                                                server.address().url(), server.identity().model, shown(*theirs), shown(ours)));
}

bool check_log_probs(const GenerationServer& server, const Probe& probe) {
  Prompt prompt;
  prompt.id = 1;
  prompt.text = "1 + 1 = 2, 2 + 2 = 4, 3 + 3 =";
  prompt.ids = probe.tokenizer.encode(prompt.text);
  SamplingParams params;
  params.num_generations = 2;
  params.max_completion_length =
      std::clamp<std::int64_t>(probe.model.config().context_length - static_cast<std::int64_t>(prompt.ids.size()), 1, 8);
  params.temperature = probe.temperature;
  Answer answer = server.generate(prompt, params, probe.seconds);
  if (!answer.whole())
    throw ServerError(Trouble::unusable, fmt::format("{}: a probe failed: {}", server.address().url(), answer.complaint));
  Group theirs{prompt, {}};
  for (auto& completion : answer.completions) theirs.completions.push_back(std::move(*completion));
  if (theirs.completions.front().log_probs.empty()) {
    probe.log.warning(fmt::format(
        "{} tells no log-probs: those of the policy are taken, as if it had drawn the tokens itself{}", server.address().url(),
        server.identity().kind == ServerKind::text ? "; its texts are tokenized again, which may give other tokens than it drew" : ""));
    return false;
  }
  const double largest = largest_difference(probe.model, theirs, probe.temperature);
  const std::string what =
      fmt::format("{}: log-probs of a probe differ by at most {:.2g} from the policy's", server.address().url(), largest);
  if (largest > kFar)
    probe.log.warning(
        what +
        ". Does it serve the policy's model? vLLM says those of the temperature if it is started with --logprobs-mode processed_logprobs");
  else
    probe.log.info(what);
  if (server.identity().kind != ServerKind::grpo_serve) return false;
  const auto own = InProcessSampler(probe.model, probe.tokenizer).generate({prompt}, params);
  const auto same = [](const Completion& a, const Completion& b) { return a.ids == b.ids && a.log_probs == b.log_probs; };
  return std::equal(theirs.completions.begin(), theirs.completions.end(), own.front().completions.begin(), same);
}

}  // namespace grpo::remote
