/// The tensor types of ggml that a GGUF file may hold: names, block sizes, decoders. Internal to format/.
///
/// A tensor is a row of blocks; a block holds `block_elements` numbers in `block_bytes` bytes, little-endian. With d
/// and m the block's half-precision scale and minimum, s and t its 6- or 8-bit sub-block scale and minimum, q an
/// unsigned field:
///
///   Q4_0, Q5_0  d (q - 8), d (q - 16)      Q4_1, Q5_1  d q + m      Q8_0  d q, q signed
///   Q4_K, Q5_K  (d s) q - (m t)            Q6_K        (d s) (q - 32), s signed
///
/// Source: the block layouts of ggml. The products fit 24 bits, or are rounded once as in ggml, so the result does not
/// depend on the instruction set. Encoders exist for F32, F16 and BF16 (rounded to nearest, ties to even) and Q8_0 (d is
/// the largest magnitude over 127, q = x / d rounded, halves away from zero), as ggml's reference. What it does not do: the
/// types that need a codebook (IQ*), ternary, 2 and 3 bit.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace grpo::detail {

struct GgmlType {
  std::uint32_t id;
  std::string_view name;
  std::uint32_t block_elements;
  std::uint32_t block_bytes;
  /// Reads blocks x block_bytes from `in` (any alignment), writes blocks x block_elements floats.
  void (*decode)(const std::uint8_t* in, std::size_t blocks, float* out);
  /// The way back, of values up to `largest` in magnitude; nullptr: decoded only.
  void (*encode)(const float* in, std::size_t blocks, std::uint8_t* out) = nullptr;
  float largest = 0.0F;
};

/// Elements in the largest block; every block size divides it.
inline constexpr std::size_t kLargestBlock = 256;

/// nullptr if this library cannot decode the type
const GgmlType* find_ggml_type(std::uint32_t id) noexcept;
const GgmlType* find_ggml_type(std::string_view name) noexcept;

/// ggml's name of any type, decodable here or not: "IQ2_XS"; "number 99" if ggml knew none when this was written
std::string ggml_type_name(std::uint32_t id);

void decode_f32(const std::uint8_t* in, std::size_t blocks, float* out);
void decode_f16(const std::uint8_t* in, std::size_t blocks, float* out);
void decode_bf16(const std::uint8_t* in, std::size_t blocks, float* out);
void decode_q4_0(const std::uint8_t* in, std::size_t blocks, float* out);
void decode_q4_1(const std::uint8_t* in, std::size_t blocks, float* out);
void decode_q5_0(const std::uint8_t* in, std::size_t blocks, float* out);
void decode_q5_1(const std::uint8_t* in, std::size_t blocks, float* out);
void decode_q8_0(const std::uint8_t* in, std::size_t blocks, float* out);
void decode_q4_k(const std::uint8_t* in, std::size_t blocks, float* out);
void decode_q5_k(const std::uint8_t* in, std::size_t blocks, float* out);
void decode_q6_k(const std::uint8_t* in, std::size_t blocks, float* out);

void encode_f32(const float* in, std::size_t blocks, std::uint8_t* out);
void encode_f16(const float* in, std::size_t blocks, std::uint8_t* out);
void encode_bf16(const float* in, std::size_t blocks, std::uint8_t* out);
void encode_q8_0(const float* in, std::size_t blocks, std::uint8_t* out);

}  // namespace grpo::detail
