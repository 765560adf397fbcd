/// How the policy's weights get to servers. Each way (vllm_sync_method) is a file of its own.
#pragma once

#include "libgrpo/policy/causal_lm.hpp"
#include "libgrpo/policy/tensor_file.hpp"
#include "libgrpo/remote/generation_server.hpp"

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>

namespace grpo::remote {

/// The weights after `version` updates, and the number that servers know them by.
struct Stamp {
  std::int64_t version = 0, number = 0;
};

class WeightChannel {
 public:
  virtual ~WeightChannel() = default;

  /// Makes the weights ready to be given away; by every rank, before rank 0 gives them to anybody. Returns what the other ranks have to
  /// know of rank 0's, for heard(). throws: Error{backend}
  virtual std::string publish(const CausalLm& model, std::int64_t version, bool leads) = 0;
  virtual void heard(const std::string& /*from_rank_0*/, std::int64_t /*version*/) {}
  /// Gives a server the version published last; returns once it samples with it. throws: ServerError   thread: any, one per server
  virtual void give(const GenerationServer& server, const Stamp& stamp, double seconds) = 0;
  /// The server may have been started anew.
  virtual void doubt(const GenerationServer& /*server*/) {}
  /// All servers that answer have this version; by rank 0.
  virtual void keep_only(std::int64_t /*version*/) {}
  /// The run ends; by rank 0.
  virtual void remove() {}
  /// For messages: "wrote the weights of step 7 to ..."
  [[nodiscard]] virtual std::string what_was_done(std::int64_t version) const = 0;
};

/// The model with its adapters merged into a copy; nothing where it has none.
/// `scratch`: a folder for files that are gone again when it returns   cost: a second copy of the weights
std::unique_ptr<CausalLm> merged_copy(const CausalLm& model, const std::filesystem::path& scratch);

/// What is published of a model, under the names of its files: the weights, or the adapters where there are any.
/// `tied_head`: a head that is the embedding comes under its own name, too
NamedTensors published(const CausalLm& model, bool tied_head = false);

/// WeightChecksum of them.
std::string checksum_of(const NamedTensors& tensors);

/// What a grpo_serve loaded must be what was published. `answer`: of its call, with the field checksum; one without passes.
/// throws: ServerError{damaged} with both checksums
void compare_checksums(const GenerationServer& server, const std::string& answer, const std::string& published);

}  // namespace grpo::remote
