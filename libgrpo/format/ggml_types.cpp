#include "libgrpo/format/ggml_types.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <limits>

namespace grpo::detail {
namespace {

constexpr float kMaxHalf = 65504.0F;
constexpr float kMaxBfloat16 = 0x1.FEp127F;

constexpr std::array<GgmlType, 11> kTypes{{
    {0, "F32", 1, 4, decode_f32, encode_f32, std::numeric_limits<float>::max()},
    {1, "F16", 1, 2, decode_f16, encode_f16, kMaxHalf},
    {2, "Q4_0", 32, 2 + 16, decode_q4_0},
    {3, "Q4_1", 32, 2 + 2 + 16, decode_q4_1},
    {6, "Q5_0", 32, 2 + 4 + 16, decode_q5_0},
    {7, "Q5_1", 32, 2 + 2 + 4 + 16, decode_q5_1},
    {8, "Q8_0", 32, 2 + 32, decode_q8_0, encode_q8_0, kMaxHalf * 127},
    {12, "Q4_K", 256, 2 + 2 + 12 + 128, decode_q4_k},
    {13, "Q5_K", 256, 2 + 2 + 12 + 32 + 128, decode_q5_k},
    {14, "Q6_K", 256, 128 + 64 + 16 + 2, decode_q6_k},
    {30, "BF16", 1, 2, decode_bf16, encode_bf16, kMaxBfloat16},
}};

// By ggml's number; empty where ggml withdrew the type.
constexpr std::array<std::string_view, 42> kNames{
    "F32",  "F16",   "Q4_0",    "Q4_1",   "",        "",      "Q5_0",   "Q5_1",  "Q8_0",  "Q8_1",   "Q2_K", "Q3_K",  "Q4_K",  "Q5_K",
    "Q6_K", "Q8_K",  "IQ2_XXS", "IQ2_XS", "IQ3_XXS", "IQ1_S", "IQ4_NL", "IQ3_S", "IQ2_S", "IQ4_XS", "I8",   "I16",   "I32",   "I64",
    "F64",  "IQ1_M", "BF16",    "",       "",        "",      "TQ1_0",  "TQ2_0", "",      "",       "",     "MXFP4", "NVFP4", "Q1_0"};

}  // namespace

const GgmlType* find_ggml_type(std::uint32_t id) noexcept {
  const auto* found = std::find_if(kTypes.begin(), kTypes.end(), [&](const GgmlType& type) { return type.id == id; });
  return found == kTypes.end() ? nullptr : found;
}

const GgmlType* find_ggml_type(std::string_view name) noexcept {
  const auto* found = std::find_if(kTypes.begin(), kTypes.end(), [&](const GgmlType& type) { return type.name == name; });
  return found == kTypes.end() ? nullptr : found;
}

std::string ggml_type_name(std::uint32_t id) {
  if (id < kNames.size() && !kNames[id].empty()) return std::string{kNames[id]};
  return fmt::format("number {}", id);
}

}  // namespace grpo::detail
