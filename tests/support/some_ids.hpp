/// Token ids that look random and are always the same.
#pragma once

#include <cstdint>
#include <vector>

namespace grpo::testing {

/// `key`: another text
inline std::vector<std::int32_t> some_ids(std::int64_t count, std::int64_t vocabulary, std::int64_t key) {
  std::vector<std::int32_t> ids;
  for (std::int64_t i = 0; i < count; ++i) ids.push_back(static_cast<std::int32_t>((i * i * 31 + i * 17 + key * 101 + 5) % vocabulary));
  return ids;
}

}  // namespace grpo::testing
