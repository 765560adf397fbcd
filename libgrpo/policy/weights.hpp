/// The tensors of a causal language model, and their names in Hugging Face and GGUF files.
///
/// Matrices that are always used together are stored together (q/k/v, gate/up), so a layer is four matrix products; the
/// names below are slices of them. There is one copy of the weights, for sampling and for training.
#pragma once

#include "libgrpo/policy/model_config.hpp"

#include <ATen/core/Tensor.h>

#include <filesystem>
#include <string>
#include <vector>

namespace grpo {

/// What a family lacks is an undefined tensor.
struct LayerWeights {
  at::Tensor input_norm;             ///< [D], before attention
  at::Tensor qkv;                    ///< [(Hq + 2 Hkv) * head_dim, D]
  at::Tensor qkv_bias;               ///< [(Hq + 2 Hkv) * head_dim]
  at::Tensor q_norm, k_norm;         ///< [head_dim], or [Hq * head_dim] and [Hkv * head_dim]
  at::Tensor o;                      ///< [D, Hq * head_dim]
  at::Tensor o_bias;                 ///< [D]
  at::Tensor attention_output_norm;  ///< [D], behind attention, before it is added
  at::Tensor post_attention_norm;    ///< [D], before the MLP
  at::Tensor gate_up;                ///< [2M, D]
  at::Tensor gate_up_bias;           ///< [2M]
  at::Tensor down;                   ///< [D, M]
  at::Tensor down_bias;              ///< [D]
  at::Tensor mlp_output_norm;        ///< [D], behind the MLP, before it is added
};

struct Weights {
  at::Tensor embed;  ///< [V, D]
  std::vector<LayerWeights> layers;
  at::Tensor norm;  ///< [D]
  at::Tensor head;  ///< [V, D]; the same tensor as embed when tied

  /// Uninitialised tensors of the right shapes, of the config's dtype; on at::kMeta shapes alone.
  static Weights allocate(const ModelConfig& config, at::Device device = at::kCPU);
  /// Themselves if they lie there already, else copies; what was one tensor stays one.
  [[nodiscard]] Weights to(at::Device device) const;
};

/// A Hugging Face tensor name and the slice that holds it.
struct NamedSlice {
  std::string name;
  std::string gguf_name;
  at::Tensor slice;
  std::int64_t rotary_heads = 0;  ///< > 0: rows are heads whose halves GGUF interleaves (q and k of llama)
  std::int64_t layer = -1;        ///< -1: of no layer

  [[nodiscard]] bool is_layer_matrix() const { return layer >= 0 && slice.dim() == 2; }
};

/// Every tensor of a saved model, in the order files hold them; a tied head is left out.
std::vector<NamedSlice> named_slices(const Weights& weights, const ModelConfig& config);

/// Where weights lie. `mapped`: in the file itself where its bytes are what is needed (safetensors of the type asked for;
/// matrices that are stored together here one behind the other, as write_model_weights leaves them), else as `copied`. They
/// cost no time and no memory of their own until they are read. Writing to them copies page by page and never reaches the
/// file, so what is trained is better copied at once. A mapped file may be deleted or replaced by rename; one that somebody
/// cuts short in place ends the process (SIGBUS).
enum class WeightPlace { copied, mapped };

/// From a folder (model.safetensors, or shards with model.safetensors.index.json; F32, F16 or BF16) or a .gguf file, converted
/// to the config's dtype.
/// throws: Error{data} naming file and tensor: missing, of another shape, of a type not supported
/// cost: one pass over the file on all threads; for another device than the CPU the host holds all of them meanwhile (mapped: the file)
Weights load_weights(const std::filesystem::path& model, const ModelConfig& config, WeightPlace place = WeightPlace::copied,
                     at::Device device = at::kCPU);

}  // namespace grpo
