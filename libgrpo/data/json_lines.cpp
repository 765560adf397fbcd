#include "libgrpo/base/check.hpp"
#include "libgrpo/base/error.hpp"
#include "libgrpo/config/field.hpp"
#include "libgrpo/data/gold_answer.hpp"
#include "libgrpo/data/json_row.hpp"
#include "libgrpo/data/prompt_source.hpp"
#include "libgrpo/format/mapped_file.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <string_view>
#include <system_error>
#include <utility>

namespace grpo {
namespace {

constexpr std::string_view kBlank = " \t\r\v\f";

bool looks_like_gsm8k(const std::filesystem::path& path) {
  std::string name = path.string();
  std::transform(name.begin(), name.end(), name.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return name.find("gsm8k") != std::string::npos || name.find("gsm-8k") != std::string::npos;
}

std::string how_to_get(const std::filesystem::path& path) {
  const std::string option = "Name the file with dataset_name, eval_dataset_name or the id of a dataset_mixture entry";
  if (!looks_like_gsm8k(path)) {
    return option + ": JSON lines, one object a line, the question and the gold answer in two of its columns.";
  }
  return "GSM8K is JSON lines with the columns question and answer: train.jsonl and test.jsonl in folder "
         "grade_school_math/data of the grade-school-math repository by openai, or Parquet by `hf download "
         "openai/gsm8k "
         "--repo-type dataset`, to be saved as JSON lines. " +
         option + "; its column is dataset_prompt_column = \"question\".";
}

void check_there(const std::filesystem::path& path) {
  std::error_code problem;
  const auto status = std::filesystem::status(path, problem);
  if (status.type() == std::filesystem::file_type::not_found) {
    throw Error{ErrorKind::data, fmt::format("{}: no such file. {}", path.string(), how_to_get(path))};
  }
}

// `path` as JSON lines, sought by index through the offsets of its lines.
class JsonLines final : public PromptSource {
 public:
  JsonLines(const std::filesystem::path& path, std::string prompt_column, std::string solution_column)
      : path_(path.string()),
        name_(path.filename().string()),
        prompt_column_(std::move(prompt_column)),
        solution_column_(std::move(solution_column)),
        file_(path) {
    check_kind();
    index_lines();
    if (starts_.empty()) {
      throw Error{ErrorKind::data,
                  fmt::format("{}: no rows: the file has {} bytes and no line with text in it", path_, text().size())};
    }
    static_cast<void>(JsonLines::row(0));
  }

  [[nodiscard]] std::size_t size() const override { return starts_.size(); }

  [[nodiscard]] Row row(std::size_t index) const override {
    GRPO_CHECK(index < starts_.size(), fmt::format("{} has {} rows, row {} was asked for", path_, size(), index));
    try {
      return read(line_at(starts_[index]), fmt::format("{}:{}", name_, line_number(index)));
    } catch (const Error& error) {
      throw Error{error.kind(), fmt::format("{}:{}: {}", path_, line_number(index), error.what())};
    }
  }

 private:
  [[nodiscard]] std::string_view text() const {
    const auto bytes = file_.bytes();
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  }

  [[nodiscard]] std::string_view line_at(std::uint64_t start) const {
    const std::string_view rest = text().substr(static_cast<std::size_t>(start));
    return rest.substr(0, rest.find('\n'));
  }

  void check_kind() const {
    if (text().substr(0, 4) == "PAR1") {
      throw Error{ErrorKind::data,
                  fmt::format("{}: a Parquet file, not JSON lines. Convert it, for example: python -c \"import pandas; "
                              "pandas.read_parquet('in.parquet').to_json('out.jsonl', orient='records', lines=True)\"",
                              path_)};
    }
    const std::size_t first = text().find_first_not_of(" \t\r\n");
    if (first != std::string_view::npos && text()[first] == '[') {
      throw Error{ErrorKind::data, fmt::format("{}: begins with '[': a JSON array, not JSON lines (one object a line). "
                                               "Convert it, for example: jq -c '.[]' in.json > out.jsonl",
                                               path_)};
    }
  }

  void index_lines() {
    std::uint64_t line = 1;
    for (std::size_t start = 0; start < text().size(); ++line) {
      const std::string_view content = line_at(start);
      if (content.find_first_not_of(kBlank) != std::string_view::npos) {
        const std::uint64_t shift = line - (starts_.size() + 1);
        if (shift != (shifts_.empty() ? 0 : shifts_.back().second)) shifts_.emplace_back(starts_.size(), shift);
        starts_.push_back(start);
      }
      start += content.size() + 1;
    }
    starts_.shrink_to_fit();
  }

  // 1-based, blank lines counted.
  [[nodiscard]] std::uint64_t line_number(std::size_t index) const {
    const auto after = std::upper_bound(shifts_.begin(), shifts_.end(), index,
                                        [](std::size_t row, const auto& shift) { return row < shift.first; });
    return index + 1 + (after == shifts_.begin() ? 0 : std::prev(after)->second);
  }

  using Columns = std::map<std::string, detail::JsonColumn>;

  static const detail::JsonColumn& column(const Columns& columns, const std::string& name, const char* option) {
    const auto found = columns.find(name);
    if (found != columns.end()) return found->second;
    std::vector<std::string> known;
    for (const auto& [known_name, value] : columns) known.push_back(known_name);
    const auto near = nearest_names(name, known);
    constexpr std::size_t kMostShown = 20;
    std::string list;
    for (std::size_t i = 0; i < std::min(known.size(), kMostShown); ++i) {
      list += fmt::format("{}\"{}\"", i == 0 ? "" : ", ", known[i].substr(0, 64));
    }
    if (known.size() > kMostShown) list += ", ...";
    throw Error{ErrorKind::data,
                fmt::format("no column \"{}\"; {}{}. Set {} to one of them", name,
                            known.empty() ? std::string("this row has no columns") : "this row has " + list,
                            near.empty() ? "" : fmt::format("; did you mean \"{}\"?", near.front()), option)};
  }

  static const std::string& scalar(const detail::JsonColumn& value, const std::string& name, const char* wanted) {
    if (value.kind == detail::JsonKind::text || value.kind == detail::JsonKind::number) return value.text;
    throw Error{ErrorKind::data, fmt::format("column \"{}\" is {}, expected {}", name, describe(value.kind), wanted)};
  }

  [[nodiscard]] Row read(std::string_view line, std::string origin) const {
    Columns columns = detail::read_json_row(line);
    Row row;
    row.origin = std::move(origin);
    const detail::JsonColumn& prompt = column(columns, prompt_column_, "dataset_prompt_column");
    if (prompt.kind == detail::JsonKind::list) {
      detail::Conversation conversation = detail::read_messages(prompt.text);
      row.messages = std::move(conversation.messages);
      if (!conversation.plain) row.messages_json = prompt.text;
    } else {
      row.question = scalar(prompt, prompt_column_, "a string, a number or a list of {\"role\", \"content\"}");
      if (row.question.empty()) throw Error{ErrorKind::data, fmt::format("column \"{}\" is empty", prompt_column_)};
    }
    const detail::JsonColumn& solution = column(columns, solution_column_, "dataset_solution_column");
    row.solution = detail::gold_answer(scalar(solution, solution_column_, "a string or a number"));
    for (auto& [name, value] : columns) row.columns.emplace(name, std::move(value.text));
    return row;
  }

  std::string path_, name_, prompt_column_, solution_column_;
  MappedFile file_;
  std::vector<std::uint64_t> starts_;  // offset of each row's line
  // (row, lines skipped before it), where the second changes; so lines are numbered without 8 more bytes a row
  std::vector<std::pair<std::size_t, std::uint64_t>> shifts_;
};

}  // namespace

std::unique_ptr<PromptSource> open_json_lines(const std::filesystem::path& path, const std::string& prompt_column,
                                              const std::string& solution_column) {
  check_there(path);
  return std::make_unique<JsonLines>(path, prompt_column, solution_column);
}

}  // namespace grpo
