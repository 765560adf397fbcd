/// Weights on their way to servers: each version a Hugging Face model folder of its own in a folder that the servers see.
///
///     DIR/step-00000007/   config.json model.safetensors ...   whole: written aside, flushed to disk, then renamed
///
/// Adapters are merged into a copy of the model, because servers take whole models: cost: a second copy of the weights, for a moment.
#pragma once

#include "libgrpo/policy/causal_lm.hpp"

#include <cstdint>
#include <filesystem>

namespace grpo::remote {

class WeightFolders {
 public:
  explicit WeightFolders(std::filesystem::path folder);

  /// Where a version is, or would be; an absolute path.
  [[nodiscard]] std::filesystem::path path(std::int64_t version) const;
  /// throws: Error{backend} with path and reason   cost: the weights are written to disk
  void write(const CausalLm& model, std::int64_t version) const;
  /// Removes all versions but one; what else is in the folder stays.
  void keep_only(std::int64_t version) const;
  /// Removes them all, and the folder if nothing else is in it.
  void remove() const;

 private:
  std::filesystem::path folder_;
};

}  // namespace grpo::remote
