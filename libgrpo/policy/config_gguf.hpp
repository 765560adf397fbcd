/// A model's configuration in the metadata of a GGUF file: read and written.
///
///     architecture   families on export
///     llama          llama, mistral       rows of q and k are interleaved (NamedSlice::rotary_heads)
///     qwen2          qwen2                biases on q, k and v
///     qwen3          qwen3                norms on the heads of q and k
///
/// Rotary embedding: rope_gguf.hpp.
/// Source: the key names of the GGUF specification and of llama.cpp. Constants are float32 there; see shortest_decimal.
#pragma once

#include "libgrpo/format/gguf.hpp"
#include "libgrpo/format/gguf_write.hpp"
#include "libgrpo/policy/model_config.hpp"

#include <string>

namespace grpo {

/// throws: Error{data} naming file and key: missing, of another type, or not supported
ModelConfig read_gguf_config(const GgufFile& file);

/// throws: Error{data} "export of family X to GGUF is not supported" and why
std::string gguf_architecture(const ModelConfig& config);

/// Keys of the architecture, that of its name first. throws: as gguf_architecture
GgufEntries gguf_config_entries(const ModelConfig& config);

}  // namespace grpo
