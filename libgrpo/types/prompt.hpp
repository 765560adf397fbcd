/// The nouns that go in: a conversation, and the prompt it becomes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace grpo {

/// One turn of a conversation. role: "system", "user" or "assistant".
struct Message {
  std::string role;
  std::string content;
};

/// One question, ready to be answered: text and ids are what the model sees; the rest is what a reward sees.
struct Prompt {
  std::uint64_t id = 0;                        ///< stable over epochs, ranks and resumes; keys the random draws of its completions
  std::string text;                            ///< after the chat template
  std::vector<std::int32_t> ids;               ///< tokens of `text`, at least one
  std::vector<Message> messages;               ///< before the chat template; empty for a plain-text prompt
  std::string solution;                        ///< the gold answer
  std::map<std::string, std::string> columns;  ///< every column of the row, JSON-encoded unless a string
  std::string source;                          ///< "file.jsonl:17" or "sums:17", for messages
};

}  // namespace grpo
