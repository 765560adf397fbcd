/// Where prompts come from: index -> row. Rendering to text and ids happens in prompt_set.hpp.
#pragma once

#include "libgrpo/config/data_options.hpp"
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
  std::string origin;                          ///< "train.jsonl:17", "train.parquet row 17"; for messages
};

/// Random access over a fixed set of rows. thread: const members from many threads.
class PromptSource {
 public:
  virtual ~PromptSource() = default;
  [[nodiscard]] virtual std::size_t size() const = 0;
  /// throws: Error{data} naming file, row and column if the row is damaged or lacks a column; Error{contract} if index >=
  /// size()
  [[nodiscard]] virtual Row row(std::size_t index) const = 0;
};

/// What a recipe says about where rows lie.
struct DatasetPlace {
  std::string name;               ///< a file, a pattern of files (* ? [), a folder, or a Hugging Face id (org/name) in the local cache
  std::string config = {};        ///< of a folder or an id: the subset
  std::string split = "train";    ///< of a folder or an id; a file and a pattern are one split
  std::string revision = "main";  ///< of an id: branch, tag or commit
};

/// Which columns of a dataset say what, and which of its rows count.
struct DatasetView {
  std::string prompt_column;
  std::string solution_column;
  std::vector<std::string> columns = {};  ///< columns kept in Row::columns; empty: all. The two above are read in any case
  std::string filter = {};                ///< an expression over columns, see filter.hpp; empty: every row
};

/// Files of rows, each kind told by its name: JSON lines, a JSON array, CSV, Parquet; text also packed with gzip or zstd. Opening
/// reads the first row; every other row is checked when it is read.
/// Memory: JSON is mapped and costs 8 bytes a row; packed text and CSV are laid out in a temporary file first and mapped likewise;
/// Parquet is decoded slice by slice (arrow_files.hpp), and laid out too if rows are asked for in no order. A filter reads every row once when it is opened and costs 4 bytes a kept row.
/// Values: strings as they are, numbers as their JSON text. A prompt column that holds a list of {"role", "content"}
/// makes a conversational row; what else a turn holds (tool_calls, a list of parts) is kept for the chat template. Nesting in
/// other columns is bounded (32). A solution that holds "####" (GSM8K) is cut to the text after the last one, thousands
/// separators removed; the column in Row::columns keeps all of it.
/// throws: Error{data}: missing file or dataset (says how to get it), no rows, damaged, column absent (names those that are there);
/// Error{recipe}: the filter is no expression, or keeps no row
std::unique_ptr<PromptSource> open_dataset(const DatasetPlace& place, const DatasetView& view);

/// Which of two disjoint sets of questions of one task.
enum class TaskSplit { train, held_out };

/// "What is A + B?" for A, B in 1..9: 81 questions, split by `seed` into disjoint train (57) and held-out (24) sets.
/// Row::origin is "sums:N" with N = 9 (A - 1) + B, the same in both splits and for every seed.
std::unique_ptr<PromptSource> make_sums(TaskSplit split, std::uint64_t seed);

/// Make `target` of 3 or 4 different numbers of 2..12, each used once, by + - * / and parentheses. Columns: nums (list), target, solutions:
/// how many ways there are that differ in more than the order and the brackets of sums and of products (countdown.hpp). Of 3 numbers: 384
/// and 128 questions; of 4: 1024 and 256, each with two ways at least. solution: {"numbers": [...], "target": ...}, which the reward
/// countdown reads. cost: 3 numbers: milliseconds; 4: about a second. throws: Error{recipe} if `numbers` is neither
std::unique_ptr<PromptSource> make_countdown(TaskSplit split, int numbers, std::uint64_t seed);

/// Fill in 3 hidden colours of a graph of 4 to 6 vertices so that no edge joins equal ones; there are 4 to 24 ways. Columns: edges (list
/// of pairs, from 0), colours (3), vertices, partial ("1?23?" in the order of the vertices), solutions. 192 and 96 different questions.
/// solution: {"edges": [...], "partial": "...", "colours": 3}, which the reward graph_colouring reads.
std::unique_ptr<PromptSource> make_graph_colouring(TaskSplit split, std::uint64_t seed);

/// A bandit with many right answers: "Name a whole number from 1 to N that leaves R when divided by D". Columns: answers (list of the
/// right ones), solutions (how many). 96 and 32 different questions. solution: a pattern that finds a right answer at the end of a text,
/// which the reward regex reads.
std::unique_ptr<PromptSource> make_many_answers(TaskSplit split, std::uint64_t seed);

/// One part of a mixture. Its weight is in (0, 1] where it is a share of the rows, above 0 where it says how often to draw.
struct MixturePart {
  std::unique_ptr<PromptSource> source;
  double weight = 1.0;
};

/// How parts become one list of rows; see MixtureSampling and StoppingStrategy.
struct MixtureRule {
  std::uint64_t seed = 0;
  MixtureSampling sampling = MixtureSampling::share;
  StoppingStrategy stopping = StoppingStrategy::first_exhausted;
  double test_share = 0.0;  ///< the last ceil(rows * test_share) rows are held out
};

/// Two disjoint sets of rows out of the same open files.
struct MixtureSides {
  std::unique_ptr<PromptSource> train;
  std::unique_ptr<PromptSource> held_out;  ///< null if test_share is 0
};

/// - share: of each part the first floor(size * weight) rows after a seeded shuffle; one part after the other, then all shuffled
/// - proportional: row by row, a part drawn with probability weight / sum of weights gives its next row, each part being shuffled, and
///   shuffled anew where it begins again
/// The result is a fixed list, so where a run is in it stays one number. cost: 8 bytes a row
/// throws: Error{recipe} if there is no part, a weight is out of range, a part or a side of the split ends up with no row, or the list
/// would be longer than 2^32 - 1
MixtureSides make_mixture(std::vector<MixturePart> parts, const MixtureRule& rule);

}  // namespace grpo
