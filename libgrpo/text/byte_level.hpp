/// The spelling of bytes in byte-level vocabularies (GPT-2): printable Latin-1 stands for itself, the other bytes are
/// moved to U+0100 and up, so that every token is readable text.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace grpo {

char32_t byte_level_character(std::uint8_t byte) noexcept;
std::string byte_level_encode(std::string_view bytes);
/// The inverse for a token; a token with any other character is its own bytes.
std::string byte_level_decode(std::string_view token);

}  // namespace grpo
