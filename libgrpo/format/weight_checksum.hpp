/// A checksum of named tensors that does not depend on their order or on how they are spread over files, so that who sends weights and who
/// loads them may compare what they hold.
///
/// The sum over tensors of XXH3 (64 bits; Collet, xxHash 0.8) of the bytes, seeded with that of the name. It finds damage, not forgery.
/// cost: about one read of memory
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace grpo {

class WeightChecksum {
 public:
  void add(std::string_view name, std::span<const std::byte> data) noexcept;
  /// 16 hexadecimal digits.
  [[nodiscard]] std::string text() const;

 private:
  std::uint64_t sum_ = 0;
};

}  // namespace grpo
