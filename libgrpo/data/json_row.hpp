/// One JSON object on one line -> its columns as text. Internal to data/.
///
/// Reads in one pass without building a tree, so that numbers keep their spelling (0.10, 12345678901234567890123) and a
/// hostile line costs no more than its length: no recursion, nesting bounded.
#pragma once

#include "libgrpo/types/prompt.hpp"

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace grpo::detail {

enum class JsonKind { text, number, boolean, null, list, object };

/// "a list", "null", ... for messages
std::string_view describe(JsonKind kind) noexcept;

struct JsonColumn {
  JsonKind kind = JsonKind::null;
  std::string text;  ///< a string's characters; of everything else its compact JSON text
};

inline constexpr int kDeepestJson = 32;  ///< levels of lists and objects in one row, the row's own included

/// The columns of one row; the last of two columns with one name counts.
/// throws: Error{data} with the reason alone: the caller knows file and line
std::map<std::string, JsonColumn> read_json_row(std::string_view line);

struct Conversation {
  std::vector<Message> messages;  ///< content: the text, or the text parts of a list of parts; empty for null
  bool plain = true;              ///< every turn is a role and a text, nothing else
};

/// A list of {"role", "content", ...}, as JSON text of a column of kind list. A turn with tool_calls needs no content.
/// throws: Error{data} with the reason alone
Conversation read_messages(const std::string& json);

}  // namespace grpo::detail
