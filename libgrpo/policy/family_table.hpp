/// The rows behind families.hpp: what each family reads and assumes. Internal to policy/.
#pragma once

#include "libgrpo/policy/model_config.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace grpo {

enum class Sliding {
  none,         // sliding_window must be absent
  all_layers,   // every layer, when sliding_window is set
  upper,        // with use_sliding_window: layers from max_window_layers on
  nope_layers,  // with use_sliding_window: the layers without positions
  pattern,      // all but every n-th layer
};

struct Family {
  std::string_view type, architecture;
  /// Fields of special_fields() that this family reads; the others must be absent or neutral.
  std::vector<std::string_view> reads;
  bool qkv_bias = false;  // always there, whatever attention_bias says
  QkNorm qk_norm = QkNorm::none;
  bool pre_norms = true, post_norms = false;
  bool gemma = false;  // norms multiply by 1 + weight, embeddings by sqrt(width); gelu
  Sliding sliding = Sliding::none;
  std::int64_t window = 0;   // default of sliding_window
  std::int64_t pattern = 0;  // default of sliding_window_pattern
  bool fused = false;
  // Where config.json is silent:
  bool tied = false;
  double eps = 1e-6;
  std::int64_t head_dim = 0;  // 0: hidden_size / num_attention_heads
};

const std::vector<Family>& families();

/// Fields that change the result in some family, and the values that change nothing.
struct Special {
  const char* key;
  std::vector<std::string> neutral;  // as JSON; null (or absence) always is
  const char* why = nullptr;
};

const std::vector<Special>& special_fields();

}  // namespace grpo
