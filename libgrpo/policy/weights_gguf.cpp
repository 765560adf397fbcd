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

class OpenGguf final : public OpenWeights {
 public:
  OpenGguf(const fs::path& path, const std::vector<NamedSlice>& slices) : file_(path) {
    for (const NamedSlice& slice : slices) {
      const GgufTensor* tensor = file_.find(slice.gguf_name);
      if (tensor == nullptr) refuse_weights(path, fmt::format("tensor {} is missing", slice.gguf_name));
      check_weight_shape(path, tensor->name, tensor->shape, slice.slice);
      stored_.push_back({tensor, slice.rotary_heads});
    }
  }

  void read(std::size_t index, const at::Tensor& to) const override {
    const auto& [tensor, rotary_heads] = stored_[index];
    if (rotary_heads == 0 && to.scalar_type() == at::kFloat) return dequantize_into(*tensor, to.mutable_data_ptr<float>(), to.numel());
    const auto full = at::empty(to.sizes(), at::kFloat);
    dequantize_into(*tensor, full.mutable_data_ptr<float>(), full.numel());
    if (rotary_heads == 0) {
      to.copy_(full);
      return;
    }
    // GGUF keeps a head's two halves interleaved row by row; Hugging Face keeps them one after the other.
    const int64_t half = to.size(0) / rotary_heads / 2;
    to.view({rotary_heads, 2, half, -1}).copy_(full.view({rotary_heads, half, 2, -1}).transpose(1, 2));
  }

  [[nodiscard]] std::uint64_t stored_bytes() const override {
    std::uint64_t bytes = 0;
    for (const Stored& stored : stored_) bytes += stored.tensor->data.size();
    return bytes;
  }

 private:
  struct Stored {
    const GgufTensor* tensor;
    int64_t rotary_heads;
  };
  GgufFile file_;
  std::vector<Stored> stored_;
};

}  // namespace

std::unique_ptr<OpenWeights> open_gguf(const fs::path& path, const std::vector<NamedSlice>& slices) {
  return std::make_unique<OpenGguf>(path, slices);
}

}  // namespace grpo
