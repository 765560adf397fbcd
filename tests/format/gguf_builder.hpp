/// Bytes of small GGUF files, right or wrong, for tests.
#pragma once

#include "tests/format/scratch_file.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace grpo::test {

inline std::string gguf_text(std::string_view text) { return raw<std::uint64_t>(text.size()) + std::string{text}; }

/// Everything is public and may be set to nonsense; `counts` left at -1 follow the lists.
struct GgufBuilder {
  std::string magic = "GGUF";
  std::uint32_t version = 3;
  std::int64_t tensor_count = -1;
  std::int64_t key_count = -1;
  std::vector<std::string> keys;
  std::vector<std::string> tensors;
  std::uint64_t alignment = 32;
  std::string data;

  template <class T>
  GgufBuilder& key(std::string_view name, std::uint32_t type, T value) {
    keys.push_back(gguf_text(name) + raw(type) + raw(value));
    return *this;
  }
  GgufBuilder& text_key(std::string_view name, std::string_view value) {
    keys.push_back(gguf_text(name) + raw<std::uint32_t>(8) + gguf_text(value));
    return *this;
  }
  GgufBuilder& array_key(std::string_view name, std::uint32_t element_type, std::uint64_t count, std::string_view bytes) {
    keys.push_back(gguf_text(name) + raw<std::uint32_t>(9) + raw(element_type) + raw(count) + std::string{bytes});
    return *this;
  }
  /// `ne` innermost first, as in the file
  GgufBuilder& tensor(std::string_view name, const std::vector<std::int64_t>& ne, std::uint32_t type, std::uint64_t offset) {
    std::string info = gguf_text(name) + raw(static_cast<std::uint32_t>(ne.size()));
    for (const std::int64_t extent : ne) info += raw(extent);
    tensors.push_back(info + raw(type) + raw(offset));
    return *this;
  }

  [[nodiscard]] std::string bytes() const {
    std::string out = magic + raw(version);
    out += raw(tensor_count >= 0 ? tensor_count : static_cast<std::int64_t>(tensors.size()));
    out += raw(key_count >= 0 ? key_count : static_cast<std::int64_t>(keys.size()));
    for (const std::string& each : keys) out += each;
    for (const std::string& each : tensors) out += each;
    out.resize((out.size() + alignment - 1) / alignment * alignment);
    return out + data;
  }
};

}  // namespace grpo::test
