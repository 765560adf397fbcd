#include "libgrpo/base/check.hpp"
#include "libgrpo/base/error.hpp"
#include "libgrpo/config/field.hpp"
#include "libgrpo/data/dataset_files.hpp"
#include "libgrpo/data/filter.hpp"
#include "libgrpo/data/gold_answer.hpp"
#include "libgrpo/data/prompt_source.hpp"
#include "libgrpo/data/table.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <utility>

namespace grpo {
namespace {

using detail::Columns;
using detail::JsonColumn;
using detail::JsonKind;
using detail::Table;

const JsonColumn& column(const Columns& columns, const std::string& name, const char* option) {
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
  throw Error{ErrorKind::data, fmt::format("no column \"{}\"; {}{}. Set {} to one of them", name,
                                           known.empty() ? std::string("this row has no columns") : "this row has " + list,
                                           near.empty() ? "" : fmt::format("; did you mean \"{}\"?", near.front()), option)};
}

const std::string& scalar(const JsonColumn& value, const std::string& name, const char* wanted) {
  if (value.kind == JsonKind::text || value.kind == JsonKind::number) return value.text;
  throw Error{ErrorKind::data, fmt::format("column \"{}\" is {}, expected {}", name, describe(value.kind), wanted)};
}

// A table seen as questions and answers.
class TableSource final : public PromptSource {
 public:
  TableSource(std::unique_ptr<Table> table, DatasetView view) : table_(std::move(table)), view_(std::move(view)) {
    static_cast<void>(TableSource::row(0));
  }

  [[nodiscard]] std::size_t size() const override { return table_->size(); }

  [[nodiscard]] Row row(std::size_t index) const override {
    GRPO_CHECK(index < size(), fmt::format("the dataset has {} rows, row {} was asked for", size(), index));
    try {
      return read(table_->columns(index), table_->place(index).name());
    } catch (const Error& error) {
      throw Error{error.kind(), fmt::format("{}: {}", table_->place(index).full(), error.what())};
    }
  }

 private:
  [[nodiscard]] Row read(Columns columns, std::string origin) const {
    Row row;
    row.origin = std::move(origin);
    const JsonColumn& prompt = column(columns, view_.prompt_column, "dataset_prompt_column");
    if (prompt.kind == JsonKind::list) {
      detail::Conversation conversation = detail::read_messages(prompt.text);
      row.messages = std::move(conversation.messages);
      if (!conversation.plain) row.messages_json = prompt.text;
    } else {
      row.question = scalar(prompt, view_.prompt_column, "a string, a number or a list of {\"role\", \"content\"}");
      if (row.question.empty()) throw Error{ErrorKind::data, fmt::format("column \"{}\" is empty", view_.prompt_column)};
    }
    const JsonColumn& solution = column(columns, view_.solution_column, "dataset_solution_column");
    row.solution = detail::gold_answer(scalar(solution, view_.solution_column, "a string or a number"));
    for (const std::string& name : view_.columns) static_cast<void>(column(columns, name, "columns"));
    for (auto& [name, value] : columns)
      if (keeps(name)) row.columns.emplace(name, std::move(value.text));
    return row;
  }

  [[nodiscard]] bool keeps(const std::string& name) const {
    return view_.columns.empty() || std::find(view_.columns.begin(), view_.columns.end(), name) != view_.columns.end();
  }

  std::unique_ptr<Table> table_;
  DatasetView view_;
};

std::unique_ptr<Table> open_files(const std::vector<std::filesystem::path>& files, const std::vector<std::string>& only) {
  std::vector<std::unique_ptr<Table>> tables;
  for (const auto& file : files) tables.push_back(detail::open_table(file, only));
  return detail::join_tables(std::move(tables));
}

// Rows of `files` that `expression` holds for; of a column file only the columns it looks at are read.
std::vector<std::uint32_t> matching_rows(const std::vector<std::filesystem::path>& files, const std::string& expression) {
  const detail::Filter filter(expression);
  const auto table = open_files(files, filter.columns());
  if (table->size() > std::numeric_limits<std::uint32_t>::max())
    throw Error{ErrorKind::data, fmt::format("{} rows are more than 2^32 - 1; split the dataset", table->size())};
  std::vector<std::uint32_t> rows;
  for (std::size_t i = 0; i < table->size(); ++i) {
    try {
      if (filter.matches(table->columns(i))) rows.push_back(static_cast<std::uint32_t>(i));
    } catch (const Error& error) {
      throw Error{error.kind(), fmt::format("{}: {}", table->place(i).full(), error.what())};
    }
  }
  if (rows.empty())
    throw Error{ErrorKind::recipe,
                fmt::format("filter: none of the {} rows of {} passes {}", table->size(), files.front().string(), expression)};
  return rows;
}

}  // namespace

std::unique_ptr<PromptSource> open_dataset(const DatasetPlace& place, const DatasetView& view) {
  const auto files = detail::find_dataset_files(place);
  std::vector<std::string> only = view.columns;
  if (!only.empty()) only.insert(only.end(), {view.prompt_column, view.solution_column});
  auto table = open_files(files, only);
  if (!view.filter.empty()) table = detail::pick_rows(std::move(table), matching_rows(files, view.filter));
  return std::make_unique<TableSource>(std::move(table), view);
}

}  // namespace grpo
