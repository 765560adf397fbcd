#include "libgrpo/policy/work.hpp"

#include "libgrpo/tensor/precompiled.hpp"

#include <algorithm>

namespace grpo {
namespace {

using std::int64_t;

/// Keys that all tokens of a segment see, themselves included.
double keys_seen(const Segment& segment, int64_t window) {
  int64_t keys = 0;
  for (int64_t position = segment.position; position < segment.position + segment.length; ++position)
    keys += window > 0 ? std::min(position + 1, window) : position + 1;
  return static_cast<double>(keys);
}

}  // namespace

double forward_flops(const ModelConfig& c, const Part& part) {
  const int64_t q = c.num_heads * c.head_dim, kv = c.num_kv_heads * c.head_dim;
  const auto matrices = static_cast<double>(c.num_layers * c.hidden_size * (2 * q + 2 * kv + 3 * c.intermediate_size));
  double keys = 0.0;  // of all layers
  for (int64_t i = 0; i < c.num_layers; ++i)
    for (const Segment& segment : part.tree.segments) keys += keys_seen(segment, c.layer(i).sliding ? c.sliding_window : 0);
  const auto head = static_cast<double>(c.vocab_size * c.hidden_size) * static_cast<double>(part.targets.numel());
  return 2.0 * matrices * static_cast<double>(part.tree.rows) + 4.0 * static_cast<double>(q) * keys + 2.0 * head;
}

}  // namespace grpo
