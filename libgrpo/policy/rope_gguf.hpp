/// The rotary embedding of a GGUF file. Private to policy/.
///
///     rope.freq_base, rope.scaling.type none, linear or yarn     as in config.json
///     rope_freqs.weight                                          a tensor [head_dim / 2] that divides the frequencies one by one
///
/// The tensor is how Llama 3.1's scaling is stored. Its fields are found again from the numbers (low_freq_factor 1 and
/// high_freq_factor 4, as all Llama models have); where they fit none, the numbers are kept ("factors").
/// Source: key names of the GGUF specification; the meaning of keys and tensor in llama.cpp.
#pragma once

#include "libgrpo/format/gguf.hpp"
#include "libgrpo/format/gguf_write.hpp"
#include "libgrpo/policy/model_config.hpp"

#include <string>
#include <vector>

namespace grpo {

constexpr const char* kRopeFactors = "rope_freqs.weight";

/// `prefix`: "llama.rope."; the config's head_dim and context_length are set. throws: Error{data} naming file and key
void read_gguf_rope(const GgufFile& file, const std::string& prefix, ModelConfig& config);

void add_gguf_rope(const ModelConfig& config, const std::string& prefix, GgufEntries& entries);

/// Values of rope_freqs.weight; empty: the model needs none.
std::vector<float> gguf_rope_factors(const ModelConfig& config);

/// A GGUF file holds constants as float32: the shortest decimal that gives this float, which is what config.json said.
double shortest_decimal(double stored);

}  // namespace grpo
