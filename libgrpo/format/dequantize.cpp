#include "libgrpo/format/ggml_types.hpp"

#include <bit>
#include <cstring>

// One copy of a loop for AVX2 machines and one for all others, chosen when the program is loaded. Sanitisers instrument
// the chooser, which runs before they are ready, so they get the plain loop.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define GRPO_VECTOR_LOOP __attribute__((target_clones("avx2", "default")))
#else
#define GRPO_VECTOR_LOOP
#endif

namespace grpo::detail {
namespace {

static_assert(std::endian::native == std::endian::little, "the decoders read little-endian files as they are");

using Bytes = const std::uint8_t* __restrict;
using Floats = float* __restrict;

std::uint16_t load_u16(Bytes at) {
  std::uint16_t value;
  std::memcpy(&value, at, sizeof value);
  return value;
}

std::uint32_t load_u32(Bytes at) {
  std::uint32_t value;
  std::memcpy(&value, at, sizeof value);
  return value;
}

/// IEEE half to float, exact for every value; no branch, so loops over it vectorise without F16C.
inline float half_to_float(std::uint16_t half) {
  constexpr std::uint32_t kRebias = (127U - 15U) << 23;
  constexpr std::uint32_t kSmallestNormal = (127U - 14U) << 23;  // 2^-14
  const std::uint32_t magnitude = half & 0x7FFFU;
  const std::uint32_t normal = (magnitude << 13) + kRebias + (magnitude >= 0x7C00U ? kRebias : 0U);
  // A subnormal half is m 2^-24: put m behind an implicit one at 2^-14 and take that one away again.
  const float small = std::bit_cast<float>((magnitude << 13) + kSmallestNormal) - std::bit_cast<float>(kSmallestNormal);
  // Masks, not "?:": g++ would put the subtraction behind a jump, and the loop would not vectorise.
  const std::uint32_t is_small = magnitude < 0x0400U ? ~0U : 0U;
  const std::uint32_t bits = (std::bit_cast<std::uint32_t>(small) & is_small) | (normal & ~is_small);
  return std::bit_cast<float>(bits | (static_cast<std::uint32_t>(half & 0x8000U) << 16));
}

inline float load_half(Bytes at) { return half_to_float(load_u16(at)); }

/// Scale and minimum, 6 bits each, of one of the eight sub-blocks of Q4_K and Q5_K: the first four lie in the low bits
/// of bytes 0-3 and 4-7; the last four have their low nibbles in bytes 8-11 and their top bits above the first four.
struct ScaleMin {
  std::uint8_t scale;
  std::uint8_t min;
};

inline ScaleMin unpack_scale_min(Bytes packed, std::size_t index) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned>(packed[i]); };
  if (index < 4) {
    return {static_cast<std::uint8_t>(byte(index) & 63U), static_cast<std::uint8_t>(byte(index + 4) & 63U)};
  }
  const unsigned low = byte(index + 4);
  return {static_cast<std::uint8_t>((low & 15U) | ((byte(index - 4) >> 6) << 4)),
          static_cast<std::uint8_t>((low >> 4) | ((byte(index) >> 6) << 4))};
}

inline float as_float(unsigned value) { return static_cast<float>(static_cast<int>(value)); }

}  // namespace

void decode_f32(const std::uint8_t* in, std::size_t blocks, float* out) { std::memcpy(out, in, blocks * sizeof(float)); }

GRPO_VECTOR_LOOP void decode_f16(Bytes in, std::size_t blocks, Floats out) {
  for (std::size_t i = 0; i < blocks; ++i) out[i] = load_half(in + 2 * i);
}

GRPO_VECTOR_LOOP void decode_bf16(Bytes in, std::size_t blocks, Floats out) {
  for (std::size_t i = 0; i < blocks; ++i) {
    out[i] = std::bit_cast<float>(static_cast<std::uint32_t>(load_u16(in + 2 * i)) << 16);
  }
}

GRPO_VECTOR_LOOP void decode_q4_0(Bytes in, std::size_t blocks, Floats out) {
  for (; blocks > 0; --blocks, in += 18, out += 32) {
    const float d = load_half(in);
    for (std::size_t i = 0; i < 16; ++i) {
      out[i] = d * static_cast<float>((in[2 + i] & 15) - 8);
      out[16 + i] = d * static_cast<float>((in[2 + i] >> 4) - 8);
    }
  }
}

GRPO_VECTOR_LOOP void decode_q4_1(Bytes in, std::size_t blocks, Floats out) {
  for (; blocks > 0; --blocks, in += 20, out += 32) {
    const float d = load_half(in);
    const float m = load_half(in + 2);
    for (std::size_t i = 0; i < 16; ++i) {
      out[i] = d * static_cast<float>(in[4 + i] & 15) + m;
      out[16 + i] = d * static_cast<float>(in[4 + i] >> 4) + m;
    }
  }
}

GRPO_VECTOR_LOOP void decode_q5_0(Bytes in, std::size_t blocks, Floats out) {
  for (; blocks > 0; --blocks, in += 22, out += 32) {
    const float d = load_half(in);
    const std::uint32_t high = load_u32(in + 2);  // the fifth bit of element i is bit i
    for (std::uint32_t i = 0; i < 16; ++i) {
      const unsigned byte = in[6 + i];
      out[i] = d * (as_float((byte & 15U) | (((high >> i) & 1U) << 4)) - 16.0F);
      out[16 + i] = d * (as_float((byte >> 4) | (((high >> (16 + i)) & 1U) << 4)) - 16.0F);
    }
  }
}

GRPO_VECTOR_LOOP void decode_q5_1(Bytes in, std::size_t blocks, Floats out) {
  for (; blocks > 0; --blocks, in += 24, out += 32) {
    const float d = load_half(in);
    const float m = load_half(in + 2);
    const std::uint32_t high = load_u32(in + 4);
    for (std::uint32_t i = 0; i < 16; ++i) {
      const unsigned byte = in[8 + i];
      out[i] = d * as_float((byte & 15U) | (((high >> i) & 1U) << 4)) + m;
      out[16 + i] = d * as_float((byte >> 4) | (((high >> (16 + i)) & 1U) << 4)) + m;
    }
  }
}

GRPO_VECTOR_LOOP void decode_q8_0(Bytes in, std::size_t blocks, Floats out) {
  for (; blocks > 0; --blocks, in += 34, out += 32) {
    const float d = load_half(in);
    for (std::size_t i = 0; i < 32; ++i) out[i] = d * static_cast<float>(static_cast<std::int8_t>(in[2 + i]));
  }
}

GRPO_VECTOR_LOOP void decode_q4_k(Bytes in, std::size_t blocks, Floats out) {
  for (; blocks > 0; --blocks, in += 144) {
    const float d = load_half(in);
    const float m = load_half(in + 2);
    for (std::size_t pair = 0; pair < 4; ++pair, out += 64) {
      Bytes q = in + 16 + 32 * pair;
      const ScaleMin low = unpack_scale_min(in + 4, 2 * pair);
      const ScaleMin high = unpack_scale_min(in + 4, 2 * pair + 1);
      const float low_d = d * as_float(low.scale), low_m = m * as_float(low.min);
      const float high_d = d * as_float(high.scale), high_m = m * as_float(high.min);
      for (std::size_t i = 0; i < 32; ++i) out[i] = low_d * static_cast<float>(q[i] & 15) - low_m;
      for (std::size_t i = 0; i < 32; ++i) out[32 + i] = high_d * static_cast<float>(q[i] >> 4) - high_m;
    }
  }
}

GRPO_VECTOR_LOOP void decode_q5_k(Bytes in, std::size_t blocks, Floats out) {
  for (; blocks > 0; --blocks, in += 176) {
    const float d = load_half(in);
    const float m = load_half(in + 2);
    Bytes fifth = in + 16;  // bit s of byte i is the fifth bit of element i of sub-block s
    for (unsigned pair = 0; pair < 4; ++pair, out += 64) {
      Bytes q = in + 48 + 32 * pair;
      const ScaleMin low = unpack_scale_min(in + 4, 2 * pair);
      const ScaleMin high = unpack_scale_min(in + 4, 2 * pair + 1);
      const float low_d = d * as_float(low.scale), low_m = m * as_float(low.min);
      const float high_d = d * as_float(high.scale), high_m = m * as_float(high.min);
      for (std::size_t i = 0; i < 32; ++i) {
        const unsigned top = static_cast<unsigned>(fifth[i]) >> (2 * pair);
        out[i] = low_d * as_float((q[i] & 15U) | ((top & 1U) << 4)) - low_m;
        out[32 + i] = high_d * as_float((static_cast<unsigned>(q[i]) >> 4) | ((top & 2U) << 3)) - high_m;
      }
    }
  }
}

GRPO_VECTOR_LOOP void decode_q6_k(Bytes in, std::size_t blocks, Floats out) {
  for (; blocks > 0; --blocks, in += 210) {
    const float d = load_half(in + 208);
    for (std::size_t half = 0; half < 2; ++half, out += 128) {
      for (std::size_t part = 0; part < 2; ++part) {  // 16 elements of each of the four rows of 32 share a scale
        Bytes low = in + 64 * half + 16 * part;
        Bytes high = in + 128 + 32 * half + 16 * part;
        Bytes scale = in + 192 + 8 * half + part;
        const auto scaled = [&](std::size_t row) { return d * static_cast<float>(static_cast<std::int8_t>(scale[2 * row])); };
        const float d0 = scaled(0), d1 = scaled(1), d2 = scaled(2), d3 = scaled(3);
        Floats row = out + 16 * part;
        for (std::size_t i = 0; i < 16; ++i) {
          const int a = low[i], b = low[32 + i], top = high[i];
          row[i] = d0 * static_cast<float>(((a & 15) | ((top & 3) << 4)) - 32);
          row[32 + i] = d1 * static_cast<float>(((b & 15) | ((top & 12) << 2)) - 32);
          row[64 + i] = d2 * static_cast<float>(((a >> 4) | (top & 48)) - 32);
          row[96 + i] = d3 * static_cast<float>(((b >> 4) | ((top & 192) >> 2)) - 32);
        }
      }
    }
  }
}

}  // namespace grpo::detail
