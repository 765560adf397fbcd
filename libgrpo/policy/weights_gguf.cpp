#include "libgrpo/format/gguf.hpp"
#include "libgrpo/policy/weights_read.hpp"
#include "libgrpo/tensor/precompiled.hpp"

#include <fmt/format.h>

namespace grpo {
namespace {

namespace fs = std::filesystem;
using std::int64_t;

void dequantize_into(const GgufTensor& tensor, float* to, int64_t count) {
  constexpr int64_t kBlock = 256 * 64;
  at::parallel_for(0, (count + kBlock - 1) / kBlock, 1, [&](int64_t first, int64_t last) {
    const int64_t begin = first * kBlock, end = std::min(last * kBlock, count);
    GgufFile::dequantize(tensor, static_cast<std::uint64_t>(begin), std::span(to + begin, static_cast<std::size_t>(end - begin)));
  });
}

}  // namespace

void read_gguf(const fs::path& path, const std::vector<NamedSlice>& slices) {
  const GgufFile file(path);
  for (const NamedSlice& slice : slices) {
    const GgufTensor* tensor = file.find(slice.gguf_name);
    if (tensor == nullptr) refuse_weights(path, fmt::format("tensor {} is missing", slice.gguf_name));
    check_weight_shape(path, tensor->name, tensor->shape, slice.slice);
    if (slice.rotary_heads == 0 && slice.slice.scalar_type() == at::kFloat) {
      dequantize_into(*tensor, slice.slice.mutable_data_ptr<float>(), slice.slice.numel());
      continue;
    }
    // GGUF keeps a head's two halves interleaved row by row; Hugging Face keeps them one after the other.
    auto stored = at::empty(slice.slice.sizes(), at::kFloat);
    dequantize_into(*tensor, stored.mutable_data_ptr<float>(), stored.numel());
    if (slice.rotary_heads == 0) {
      slice.slice.copy_(stored);
      continue;
    }
    const int64_t half = slice.slice.size(0) / slice.rotary_heads / 2;
    slice.slice.view({slice.rotary_heads, 2, half, -1}).copy_(stored.view({slice.rotary_heads, half, 2, -1}).transpose(1, 2));
  }
}

}  // namespace grpo
