/// A look at a server before a run trusts it: does it read texts as the run does, and give tokens the log-probs that the policy gives?
#pragma once

#include "libgrpo/base/log.hpp"
#include "libgrpo/policy/causal_lm.hpp"
#include "libgrpo/remote/generation_server.hpp"

namespace grpo::remote {

struct Probe {
  const CausalLm& model;
  const Tokenizer& tokenizer;
  const Log& log;
  double temperature = 1.0;  ///< of the run's sampling
  double seconds = 600.0;    ///< for an answer
};

/// throws: Error{backend} if a text becomes other ids there: it serves another model. A server of texts says only how many; a
/// difference is a warning. ServerError
void check_tokenizer(const GenerationServer& server, const Probe& probe);

/// Logs how far log-probs of a short completion are from the policy's, with a warning if that is far. To be asked when the server has
/// the policy's weights. Returns whether ids and log-probs are, to the last bit, what the engine in this process draws (grpo_serve).
/// throws: ServerError
bool check_log_probs(const GenerationServer& server, const Probe& probe);

}  // namespace grpo::remote
