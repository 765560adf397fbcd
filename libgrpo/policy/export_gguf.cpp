#include "libgrpo/policy/export_gguf.hpp"

#include "libgrpo/base/check.hpp"
#include "libgrpo/policy/config_gguf.hpp"
#include "libgrpo/policy/rope_gguf.hpp"
#include "libgrpo/tensor/precompiled.hpp"

#include <algorithm>
#include <array>
#include <cstring>

namespace grpo {
namespace {

using std::int64_t;

/// general.file_type: what llama.cpp calls a file most of whose matrices have this type.
struct FileType {
  std::string_view type;
  std::uint32_t number;
};
constexpr std::array kFileTypes{FileType{"F32", 0}, FileType{"F16", 1}, FileType{"Q8_0", 7}, FileType{"BF16", 32}};

/// The rows of q or k in the order of a GGUF file: the two halves of a head one by one in turn.
at::Tensor interleaved_rows(int64_t rows, int64_t heads) {
  return at::arange(rows, at::kLong).view({heads, 2, rows / heads / 2}).transpose(1, 2).reshape({rows});
}

GgufTensorSource source_of(const NamedSlice& slice, const std::string& type) {
  GgufTensorSource source{slice.gguf_name, slice.slice.sizes().vec(), "F32", {}};
  const bool matrix = slice.slice.dim() == 2;
  if (matrix) source.type = gguf_can_write(type, source.shape.back()) ? type : "F16";
  const auto order = slice.rotary_heads > 0 ? interleaved_rows(slice.slice.size(0), slice.rotary_heads) : at::Tensor();
  source.fill = [tensor = slice.slice, order, matrix](int64_t first, std::span<float> out) {
    at::Tensor rows = tensor;
    if (matrix) {
      const int64_t count = static_cast<int64_t>(out.size()) / tensor.size(1);
      rows = order.defined() ? tensor.index_select(0, order.narrow(0, first, count).to(tensor.device())) : tensor.narrow(0, first, count);
    }
    const auto plain = rows.to(at::kCPU, at::kFloat).contiguous();
    std::memcpy(out.data(), plain.const_data_ptr<float>(), out.size_bytes());
  };
  return source;
}

}  // namespace

GgufWritten export_gguf(const CausalLm& model, const GgufExport& what, const std::filesystem::path& path) {
  GRPO_CHECK(!model.lora(), "adapters are merged before a model is written as GGUF");
  const auto* file_type = std::find_if(kFileTypes.begin(), kFileTypes.end(), [&](const FileType& t) { return t.type == what.type; });
  GRPO_CHECK(file_type != kFileTypes.end(), "GGUF files are written as F32, F16, BF16 or Q8_0, not as " + what.type);
  ModelConfig config = model.config();
  std::stable_partition(config.eos_token_ids.begin(), config.eos_token_ids.end(), [&](std::int32_t id) { return id == what.eos; });
  GgufEntries entries = gguf_config_entries(config);
  entries.emplace_back("general.type", std::string("model"));
  entries.emplace_back("general.name", what.name);
  entries.emplace_back("general.file_type", file_type->number);
  constexpr std::uint32_t kQuantizationVersion = 2;  // of ggml's block layouts
  entries.emplace_back("general.quantization_version", kQuantizationVersion);
  entries.insert(entries.end(), what.tokenizer.begin(), what.tokenizer.end());

  const at::NoGradGuard no_grad;
  config.model_type = gguf_architecture(config);  // Mistral's tensors are Llama's
  std::vector<GgufTensorSource> tensors;
  for (const NamedSlice& slice : named_slices(model.weights(), config)) tensors.push_back(source_of(slice, what.type));
  if (const std::vector<float> factors = gguf_rope_factors(config); !factors.empty())
    tensors.push_back({kRopeFactors, {static_cast<int64_t>(factors.size())}, "F32", [factors](int64_t, std::span<float> out) {
                         std::copy(factors.begin(), factors.end(), out.begin());
                       }});
  write_gguf(path, entries, tensors);
  return {tensors.size(), gguf_data_bytes(tensors)};
}

}  // namespace grpo
