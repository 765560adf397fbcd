#include "libgrpo/format/weight_checksum.hpp"

#define XXH_INLINE_ALL  // nothing to link with
#include <xxhash.h>

#include <fmt/format.h>

namespace grpo {

void WeightChecksum::add(std::string_view name, std::span<const std::byte> data) noexcept {
  sum_ += XXH3_64bits_withSeed(data.data(), data.size(), XXH3_64bits(name.data(), name.size()));
}

std::string WeightChecksum::text() const { return fmt::format("{:016x}", sum_); }

}  // namespace grpo
