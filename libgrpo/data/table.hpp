/// Rows of named columns by index: what every kind of data file becomes before a recipe says which column is the question.
/// Internal to data/. The kinds of files are opened in open_table.cpp.
#pragma once

#include "libgrpo/data/json_row.hpp"

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace grpo::detail {

using Columns = std::map<std::string, JsonColumn>;

/// Where a row stands: ":17" is a line of a text file, " row 17" the record of another kind of file. Both count from 1.
struct Place {
  std::filesystem::path file;
  std::string at;
  [[nodiscard]] std::string name() const { return file.filename().string() + at; }  ///< "train.jsonl:17"
  [[nodiscard]] std::string full() const { return file.string() + at; }
};

/// Random access over a fixed set of rows. thread: const members from many threads.
class Table {
 public:
  virtual ~Table() = default;
  [[nodiscard]] virtual std::size_t size() const = 0;
  /// throws: Error{data} with the reason alone (place() says where) if the row is damaged
  [[nodiscard]] virtual Columns columns(std::size_t row) const = 0;
  [[nodiscard]] virtual Place place(std::size_t row) const = 0;
};

/// One table after the other; `tables` is not empty.
std::unique_ptr<Table> join_tables(std::vector<std::unique_ptr<Table>> tables);

/// Those rows of `table`, in that order.
std::unique_ptr<Table> pick_rows(std::unique_ptr<Table> table, std::vector<std::uint32_t> rows);

/// The file as a table; its kind is told by its name (and by its first bytes, for JSON): .jsonl .ndjson .json .csv .tsv, each
/// also with .gz or .zst behind it, and .parquet. Any other name is taken for JSON lines.
/// `only`: the columns that will be asked for, so that a column file need not read the others; empty: all.
/// throws: Error{data} with path and reason: absent, unreadable, no rows, damaged as a whole, cut off
std::unique_ptr<Table> open_table(const std::filesystem::path& path, const std::vector<std::string>& only = {});

/// Whether open_table knows the end of this file's name.
bool is_data_file(const std::filesystem::path& path);

}  // namespace grpo::detail
