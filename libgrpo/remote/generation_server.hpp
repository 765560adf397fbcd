/// One generation server, seen from the run: who it is, completions of a prompt, new weights.
///
/// Token ids go in and token ids come out, but for servers that know texts alone. Everything in an answer is checked before it is
/// believed: ids lie in the vocabulary, each has a log-prob that is one, lengths are those asked for. A completion that fails is left
/// out and never trained on. The protocols are in protocols.inl.
#pragma once

#include "libgrpo/policy/model_config.hpp"
#include "libgrpo/remote/http_client.hpp"
#include "libgrpo/sampler/sampler.hpp"
#include "libgrpo/text/tokenizer.hpp"

#include <atomic>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace grpo::remote {

enum class ServerKind {
  grpo_serve,
  vllm,
  trl,  ///< TRL's own, up to TRL 1.10
  text  ///< whatever offers OpenAI's /v1/completions: llama.cpp's server, say
};

constexpr std::string_view to_string(ServerKind kind) {
  constexpr std::string_view kNames[] = {"grpo_serve", "vLLM", "TRL's server", "a server of texts"};
  return kNames[static_cast<int>(kind)];
}

struct ServerIdentity {
  ServerKind kind = ServerKind::vllm;
  std::string version, model;       ///< as the server says; empty: it does not
  std::int64_t context_length = 0;  ///< 0: it does not say
};

/// What one request brought. [num_generations]; nothing where a completion was missing or wrong.
struct Answer {
  std::vector<std::optional<Completion>> completions;  ///< log_probs are empty where the server knows none
  std::string complaint = {};                          ///< why the first of the missing ones is missing
  [[nodiscard]] bool whole() const;
};

/// thread: all members from any thread, once identify() has been called
class GenerationServer {
 public:
  /// `tokenizer` must outlive it. `config`: of the model; ids behind its vocabulary are refused
  GenerationServer(Address address, std::string api_key, const Tokenizer& tokenizer, const ModelConfig& config);

  /// Asks what it is; waits until it answers, at most so long. throws: Error{backend} if it does not, or speaks no protocol known here
  void identify(double seconds);
  [[nodiscard]] const ServerIdentity& identity() const { return identity_; }
  [[nodiscard]] const Address& address() const { return address_; }
  /// Whether its version is at least 0.`minor`; true if it does not say one that can be read.
  [[nodiscard]] bool is_from(int minor) const;

  /// Completions of one prompt. texts are decoded here. weight_version: as the server says (grpo_serve, vLLM from 0.30 on), kForeign
  /// for weights that it was not given here, else -1.
  /// throws: ServerError
  [[nodiscard]] Answer generate(const Prompt& prompt, const SamplingParams& params, double seconds) const;
  static constexpr std::int64_t kForeign = -2;

  /// Answer's body of a request with a JSON body. throws: ServerError
  std::string call(const std::string& path, const std::string& body, double seconds, std::size_t max_bytes = 1 << 20) const;
  /// How many processes hold its model. throws: ServerError
  [[nodiscard]] int world_size() const;
  /// After it took new weights: forgets keys and values of the old ones, and learns the number of the new. throws: ServerError
  void took_weights(std::int64_t number, double seconds) const;

  /// From now on its completions are asked for by the name of an adapter. throws: nothing
  void sample_with(const std::string& adapter) const;
  static std::string adapter_name(std::int64_t number);

  /// The ids it makes of a text; of a server of texts as many zeros as it says there are; nothing: it does not say.
  /// throws: ServerError
  [[nodiscard]] std::optional<std::vector<std::int32_t>> tokens_of(const std::string& text, double seconds) const;

 private:
  [[nodiscard]] HttpAnswer get(const std::string& path) const;
  [[nodiscard]] bool ask_who();
  [[nodiscard]] Answer generate_with(const std::string& adapter, const Prompt& prompt, const SamplingParams& params, double seconds) const;
  [[nodiscard]] Answer generate_texts(const Prompt& prompt, const SamplingParams& params, double seconds) const;
  [[nodiscard]] std::int64_t version_now() const;

  Address address_;
  std::string api_key_;
  const Tokenizer& tokenizer_;
  const ModelConfig& config_;
  ServerIdentity identity_;
  mutable std::atomic<bool> keeps_version_{false};  // a vLLM that remembers the number it is told
  mutable std::mutex mutex_;
  mutable std::string adapter_;  // empty: the model itself
};

}  // namespace grpo::remote
