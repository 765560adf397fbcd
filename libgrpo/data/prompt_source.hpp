/// Where prompts come from: index -> row. Rendering to text and ids happens in prompt_set.hpp.
#pragma once

#include "libgrpo/types/prompt.hpp"

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace grpo {

/// One row before the chat template: the question (or a conversation), the gold answer, all columns.
struct Row {
  std::string question;                        ///< plain question; empty if `messages` is set
  std::vector<Message> messages;               ///< a conversational row; empty if `question` is set
  std::string messages_json;                   ///< of `messages` with more than role and text (tool_calls, parts); else empty
  std::string solution;                        ///< the gold answer; may be empty
  std::map<std::string, std::string> columns;  ///< every column as it stands, JSON-encoded unless a string
  std::string origin;                          ///< "train.jsonl:17", for messages
};

/// Random access over a fixed set of rows. thread: const members from many threads.
class PromptSource {
 public:
  virtual ~PromptSource() = default;
  [[nodiscard]] virtual std::size_t size() const = 0;
  /// throws: Error{data} naming file and line if the row is damaged or lacks a column; Error{contract} if index >=
  /// size()
  [[nodiscard]] virtual Row row(std::size_t index) const = 0;
};

/// JSON lines: one object a line, UTF-8; blank lines are skipped. Opening indexes line offsets and reads the first row;
/// every other row is checked when it is read. The file is memory-mapped, so a large set costs 8 bytes a row.
/// Values: strings as they are, numbers as their JSON text. A prompt column that holds a list of {"role", "content"}
/// makes a conversational row; what else a turn holds (tool_calls, a list of parts) is kept for the chat template. Nesting in other columns is bounded (32).
/// A solution that holds "####" (GSM8K) is cut to the text after the last one, thousands separators removed; the column
/// in Row::columns keeps all of it.
/// throws: Error{data}: missing file (says how to get GSM8K if the path looks like it), Parquet or a JSON array instead
/// of JSON lines, no rows, not JSON, column absent (names the columns that are there)
std::unique_ptr<PromptSource> open_json_lines(const std::filesystem::path& path, const std::string& prompt_column,
                                              const std::string& solution_column);

enum class SumsSplit { train, held_out };
/// "What is A + B?" for A, B in 1..9: 81 questions, split by `seed` into disjoint train (57) and held-out (24) sets.
/// Row::origin is "sums:N" with N = 9 (A - 1) + B, the same in both splits and for every seed.
std::unique_ptr<PromptSource> make_sums(SumsSplit split, std::uint64_t seed);

/// One part of a mixture: the first floor(size * weight) rows of `source` after a seeded shuffle. weight in (0, 1].
struct MixturePart {
  std::unique_ptr<PromptSource> source;
  double weight = 1.0;
};
/// Parts one after the other, then shuffled together by `seed`. cost: 8 bytes a kept row
/// throws: Error{recipe} if there is no part, a weight is out of range or a part ends up with no row
std::unique_ptr<PromptSource> make_mixture(std::vector<MixturePart> parts, std::uint64_t seed);

}  // namespace grpo
