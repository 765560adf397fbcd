/// What servers are asked and what they answer, as JSON. For the sources of this room alone.
///
///   native   POST /v1/completions with return_token_ids: vLLM 0.19 to 0.32, and grpo_serve, which also takes the prompt's id
///   TRL      POST /generate/ of `trl vllm-serve` up to TRL 1.10: a batch as one JSON
///   text     POST /v1/completions as OpenAI has it: a text goes in, a text comes out and is tokenized again
/// Sources: docs/guides/serve.md; vLLM's and TRL's servers as they answer.

#include "libgrpo/remote/generation_server.hpp"

#include <nlohmann/json.hpp>

namespace grpo::remote {

/// What answers are checked with.
struct Reading {
  const SamplingParams& params;
  const Tokenizer& tokenizer;
  const ModelConfig& config;
};

nlohmann::json native_body(const Prompt& prompt, const SamplingParams& params, const ServerIdentity& server);
/// throws: ServerError{unusable} if the answer holds no list of completions, as all of these
Answer read_native(const std::string& body, const Reading& reading);

nlohmann::json trl_body(const Prompt& prompt, const SamplingParams& params);
Answer read_trl(const std::string& body, const Reading& reading);

/// One completion, the `sample`-th of the prompt's.
nlohmann::json text_body(const Prompt& prompt, const SamplingParams& params, const ServerIdentity& server, std::int64_t vocab_size,
                         std::int64_t sample);
/// An answer of one completion.
Answer read_text(const std::string& body, const Reading& reading);

/// A server's seed for a prompt: (seed, prompt id) folded into 31 bits, which every server takes.
std::int64_t seed_of(std::uint64_t seed, std::uint64_t prompt_id);

/// A member of an object; null if it is none or has none.
const nlohmann::json& member(const nlohmann::json& object, const char* name);

// ---- checks, for the readers

/// Why one completion cannot be used.
struct Unusable {
  std::string why;
};
std::vector<std::int32_t> read_ids(const nlohmann::json& list, std::int64_t vocab_size);
std::vector<float> read_log_probs(const nlohmann::json& list, std::size_t tokens);
/// In nats, one for each token. throws: Unusable
std::vector<float> read_entropies(const nlohmann::json& list, std::size_t tokens);
/// Lengths are those asked for; the text is decoded.
Completion checked(Completion completion, const Reading& reading);

}  // namespace grpo::remote
