#include "libgrpo/format/ggml_types.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

namespace grpo::detail {
namespace {

/// To the nearest half, ties to even. No branch, so that loops over it vectorise.
inline std::uint16_t float_to_half(float value) {
  constexpr std::uint32_t kSmallestNormal = (127U - 14U) << 23;  // 2^-14
  constexpr std::uint32_t kOverflow = (127U + 16U) << 23;        // 2^16
  constexpr std::uint32_t kRebias = (127U - 15U) << 23;
  const std::uint32_t bits = std::bit_cast<std::uint32_t>(value);
  const std::uint32_t magnitude = bits & 0x7FFFFFFFU;
  // Beside 1/2 a float's last bit is worth 2^-24, as a subnormal half's: the addition rounds.
  const std::uint32_t small = std::bit_cast<std::uint32_t>(std::bit_cast<float>(magnitude) + 0.5F) - std::bit_cast<std::uint32_t>(0.5F);
  const std::uint32_t normal = (magnitude - kRebias + 0xFFFU + ((magnitude >> 13) & 1U)) >> 13;
  const std::uint32_t huge = magnitude > 0x7F800000U ? 0x7E00U : 0x7C00U;
  const std::uint32_t half = magnitude < kSmallestNormal ? small : magnitude < kOverflow ? normal : huge;
  return static_cast<std::uint16_t>(half | ((bits >> 16) & 0x8000U));
}

inline std::uint16_t float_to_bfloat16(float value) {
  const std::uint32_t bits = std::bit_cast<std::uint32_t>(value);
  return static_cast<std::uint16_t>((bits + 0x7FFFU + ((bits >> 16) & 1U)) >> 16);
}

void store(std::uint16_t value, std::uint8_t* out) { std::memcpy(out, &value, sizeof value); }

}  // namespace

void encode_f32(const float* in, std::size_t blocks, std::uint8_t* out) { std::memcpy(out, in, blocks * sizeof(float)); }

void encode_f16(const float* in, std::size_t blocks, std::uint8_t* out) {
  for (std::size_t i = 0; i < blocks; ++i) store(float_to_half(in[i]), out + 2 * i);
}

void encode_bf16(const float* in, std::size_t blocks, std::uint8_t* out) {
  for (std::size_t i = 0; i < blocks; ++i) store(float_to_bfloat16(in[i]), out + 2 * i);
}

void encode_q8_0(const float* in, std::size_t blocks, std::uint8_t* out) {
  for (; blocks > 0; --blocks, in += 32, out += 34) {
    float top = 0.0F;
    for (std::size_t i = 0; i < 32; ++i) top = std::max(top, std::abs(in[i]));
    const float d = top / 127.0F;
    const float inverse = d == 0.0F ? 0.0F : 1.0F / d;
    store(float_to_half(d), out);
    for (std::size_t i = 0; i < 32; ++i) out[2 + i] = static_cast<std::uint8_t>(static_cast<std::int8_t>(std::round(in[i] * inverse)));
  }
}

}  // namespace grpo::detail
