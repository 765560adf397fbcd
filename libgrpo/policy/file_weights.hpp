/// Weights that stay in their file, mapped, and are widened layer by layer into memory that every layer uses again.
///
/// For a model that only scores, such as the reference: it costs the file's bytes (those of Q4_1 are a seventh of float32's) and, during a
/// pass, one layer and the embedding. The bits are those of load_weights(), which reads the same way.
#pragma once

#include "libgrpo/policy/model_config.hpp"
#include "libgrpo/policy/weight_source.hpp"

#include <cstdint>
#include <filesystem>
#include <memory>
#include <vector>

namespace grpo {

class OpenWeights;

class FileWeights final : public WeightSource {
 public:
  /// A folder or .gguf file; the file must stay as it is, or be deleted or replaced by rename.
  /// throws: Error{data} as load_weights: everything is checked here, so that later calls cannot fail
  FileWeights(const std::filesystem::path& model, const ModelConfig& config);
  ~FileWeights() override;

  /// The bytes that the file holds the weights in.
  [[nodiscard]] std::uint64_t stored_bytes() const;

  /// cost: reads and widens the embedding (and the head, if it is not tied), in memory of their own
  OuterWeights outer() override;
  /// cost: reads and widens the layer on all threads; about a quarter of a second in all for 135M weights in Q4_1
  LayerWeights layer(std::int64_t index) override;

 private:
  Weights room_;  // every entry of layers is the same tensors; those around them are shapes alone
  std::vector<NamedSlice> slices_;
  std::vector<std::vector<std::size_t>> of_layer_;  // places in slices_
  std::unique_ptr<OpenWeights> file_;
};

}  // namespace grpo
