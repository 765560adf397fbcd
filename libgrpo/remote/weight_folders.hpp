/// Weights on their way to servers: each version a Hugging Face model folder of its own in a folder that the servers see.
///
///     DIR/step-00000007/   config.json model.safetensors ...   whole: written aside, flushed to disk, then renamed
///
/// Of a model with adapters these alone, as a PEFT folder.
#pragma once

#include "libgrpo/policy/causal_lm.hpp"

#include <cstdint>
#include <filesystem>
#include <string>

namespace grpo::remote {

class WeightFolders {
 public:
  explicit WeightFolders(std::filesystem::path folder);

  [[nodiscard]] const std::filesystem::path& folder() const { return folder_; }
  /// Where a version is, or would be; an absolute path.
  [[nodiscard]] std::filesystem::path path(std::int64_t version) const;
  /// A head that is the embedding is stored under its own name as well: a vLLM on a CPU, which keeps a packed copy of the head, packs it anew
  /// for that name alone. Returns the checksum of what is stored.
  /// throws: Error{backend} with path and reason   cost: the weights are written to disk
  std::string write(const CausalLm& model, std::int64_t version) const;
  /// Removes all versions but one; what else is in the folder stays.
  void keep_only(std::int64_t version) const;
  /// Removes them all, and the folder if nothing else is in it.
  void remove() const;

 private:
  std::filesystem::path folder_;
};

}  // namespace grpo::remote
