/// Reading token ids out of JSON lines. For .cpp files only: headers show no JSON library.
#pragma once

#include "libgrpo/base/error.hpp"

#include <cstdint>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <vector>

namespace grpo {

/// The list `key` of an object; it may be empty. throws: Error{data} if there is none, or an id lies outside the vocabulary
inline std::vector<std::int32_t> read_token_ids(const nlohmann::ordered_json& object, const char* key, std::int64_t vocab_size) {
  if (!object.is_object() || !object.contains(key) || !object[key].is_array())
    throw Error(ErrorKind::data, fmt::format("expected a list \"{}\"", key));
  std::vector<std::int32_t> ids;
  for (const auto& id : object[key]) {
    if (!id.is_number_unsigned() || id.get<std::uint64_t>() >= static_cast<std::uint64_t>(vocab_size))
      throw Error(ErrorKind::data, fmt::format("{}[{}] is {}, but ids are integers from 0 to {}", key, ids.size(),
                                               id.is_structured() ? "a list or an object" : id.dump(-1, ' ', true), vocab_size - 1));
    ids.push_back(static_cast<std::int32_t>(id.get<std::uint64_t>()));
  }
  return ids;
}

}  // namespace grpo
