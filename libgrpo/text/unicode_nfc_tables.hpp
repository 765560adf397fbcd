/// Tables for NFC, taken from the Unicode character database (canonical decompositions and combining classes).
/// Hangul is not in them: it is computed. Marks younger than Unicode 10 are left out, because the `tokenizers` package
/// does not reorder or compose them, and ids must be the same.
#pragma once

#include <cstdint>
#include <span>

namespace grpo::unicode {

struct Decomposition {
  std::uint32_t composed;
  std::uint32_t first;
  std::uint32_t second;  ///< 0: a singleton
  bool recomposes;       ///< false for singletons and composition exclusions
};

struct CombiningClass {
  std::uint32_t begin;
  std::uint32_t end;  ///< inclusive
  std::uint8_t value;
};

/// One step of canonical decomposition, ordered by `composed`.
extern const std::span<const Decomposition> kDecompositions;
/// Ranges with a class other than 0, ordered by `begin`.
extern const std::span<const CombiningClass> kCombiningClasses;

}  // namespace grpo::unicode
