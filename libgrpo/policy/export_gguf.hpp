/// A policy into one GGUF file, as llama.cpp reads it and load_weights reads it back.
///
/// Matrices have the type asked for, where a row is whole blocks of it (else F16); vectors (norms, biases) are F32, as llama.cpp
/// wants them. q and k of the Llama family are interleaved, a tied head is left out, Llama 3.1's rotary scaling becomes
/// rope_freqs.weight. Families: config_gguf.hpp. Not here: the tokenizer's keys (text/tokenizer_gguf_write.hpp), LoRA files.
#pragma once

#include "libgrpo/format/gguf_write.hpp"
#include "libgrpo/policy/causal_lm.hpp"

#include <cstdint>
#include <filesystem>
#include <string>

namespace grpo {

struct GgufExport {
  std::string type = "F16";  ///< of matrices: F32, F16, BF16, Q8_0
  std::string name;          ///< general.name
  GgufEntries tokenizer;     ///< as gguf_tokenizer gives them
  std::int32_t eos = -1;     ///< of the model's end tokens the one to be named first; -1: as the model has them
};

struct GgufWritten {
  std::size_t tensors = 0;
  std::uint64_t bytes = 0;  ///< of tensor data
};

/// Adapters must be merged before. An existing file is replaced once the new one is whole.
/// throws: Error{data} for a family that GGUF has no form for here (named), or weights that `type` cannot hold; Error{backend}
/// as write_gguf
/// cost: one pass over the weights; a few MB of memory
GgufWritten export_gguf(const CausalLm& model, const GgufExport& what, const std::filesystem::path& path);

}  // namespace grpo
