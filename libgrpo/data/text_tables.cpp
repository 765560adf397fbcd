#include "libgrpo/data/text_tables.hpp"

#include "libgrpo/base/check.hpp"

#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <string_view>
#include <utility>

namespace grpo::detail {
namespace {

constexpr std::string_view kBlank = " \t\r\v\f";
constexpr std::string_view kJsonBlank = " \t\r\n";

std::string_view text_of(const MappedFile& file) {
  const auto bytes = file.bytes();
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

/// Tells the system that what was read so far may leave memory, every 64 MiB: the pass that makes the index would otherwise count
/// as the memory of this process. The bytes come back from the file when they are read again.
class PassedBytes {
 public:
  explicit PassedBytes(std::string_view text) : text_(text) {}
  void reached(std::size_t at) {
    constexpr std::size_t kStep = std::size_t{64} << 20U;
    if (at < done_ + kStep) return;
    const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
    const std::size_t end = at / page * page;
    ::madvise(const_cast<char*>(text_.data()) + done_, end - done_, MADV_DONTNEED);  // the mapping begins at a page
    done_ = end;
  }

 private:
  std::string_view text_;
  std::size_t done_ = 0;
};

class LinesTable final : public Table {
 public:
  LinesTable(MappedFile file, std::filesystem::path path, LineNames names)
      : path_(std::move(path)), names_(names), file_(std::move(file)), text_(text_of(file_)) {
    index_lines();
    if (starts_.empty()) {
      throw Error{ErrorKind::data,
                  fmt::format("{}: no rows: the file has {} bytes and no line with text in it", path_.string(), text_.size())};
    }
  }

  [[nodiscard]] std::size_t size() const override { return starts_.size(); }
  [[nodiscard]] Columns columns(std::size_t row) const override {
    return read_json_row(line_at(static_cast<std::size_t>(starts_.at(row))));
  }
  [[nodiscard]] Place place(std::size_t row) const override {
    if (names_ == LineNames::records) return {path_, fmt::format(" row {}", row + 1)};
    return {path_, fmt::format(":{}", line_number(row))};
  }

 private:
  [[nodiscard]] std::string_view line_at(std::size_t start) const {
    const std::string_view rest = text_.substr(start);
    return rest.substr(0, rest.find('\n'));
  }

  void index_lines() {
    PassedBytes passed(text_);
    std::uint64_t line = 1;
    for (std::size_t start = 0; start < text_.size(); ++line) {
      const std::string_view content = line_at(start);
      if (content.find_first_not_of(kBlank) != std::string_view::npos) {
        const std::uint64_t shift = line - (starts_.size() + 1);
        if (shift != (shifts_.empty() ? 0 : shifts_.back().second)) shifts_.emplace_back(starts_.size(), shift);
        starts_.push_back(start);
      }
      start += content.size() + 1;
      passed.reached(std::min(start, text_.size()));
    }
    starts_.shrink_to_fit();
  }

  // 1-based, blank lines counted.
  [[nodiscard]] std::uint64_t line_number(std::size_t index) const {
    const auto after =
        std::upper_bound(shifts_.begin(), shifts_.end(), index, [](std::size_t row, const auto& shift) { return row < shift.first; });
    return index + 1 + (after == shifts_.begin() ? 0 : std::prev(after)->second);
  }

  std::filesystem::path path_;
  LineNames names_;
  MappedFile file_;
  std::string_view text_;
  std::vector<std::uint64_t> starts_;  // offset of each row's line
  // (row, lines skipped before it), where the second changes; so lines are numbered without 8 more bytes a row
  std::vector<std::pair<std::size_t, std::uint64_t>> shifts_;
};

class ArrayTable final : public Table {
 public:
  ArrayTable(MappedFile file, std::filesystem::path path) : path_(std::move(path)), file_(std::move(file)), text_(text_of(file_)) {
    index_elements();
    if (starts_.empty()) throw Error{ErrorKind::data, path_.string() + ": no rows: the JSON array is empty"};
    starts_.shrink_to_fit();
  }

  [[nodiscard]] std::size_t size() const override { return starts_.size(); }
  [[nodiscard]] Columns columns(std::size_t row) const override {
    const auto start = static_cast<std::size_t>(starts_.at(row));
    return read_json_row(text_.substr(start, element_end(start) - start));
  }
  [[nodiscard]] Place place(std::size_t row) const override { return {path_, fmt::format(" row {}", row + 1)}; }

 private:
  // Where the element that begins at `at` ends: at the first ',' or ']' outside of its own brackets and strings.
  [[nodiscard]] std::size_t element_end(std::size_t at) const {
    std::size_t depth = 0;
    for (; at < text_.size(); ++at) {
      const char c = text_[at];
      if (c == '"') {
        at = string_end(at);
      } else if (c == '{' || c == '[') {
        ++depth;
      } else if (depth == 0 && (c == ',' || c == ']' || c == '}')) {
        return at;
      } else if (c == '}' || c == ']') {
        --depth;
      }
    }
    throw Error{ErrorKind::data,
                fmt::format("{} row {}: the file ends within it: the JSON array is not closed", path_.string(), starts_.size())};
  }

  // The quote that closes the string whose opening quote is at `at`; the end of the text if there is none.
  [[nodiscard]] std::size_t string_end(std::size_t at) const {
    while ((at = text_.find_first_of("\"\\", at + 1)) != std::string_view::npos) {
      if (text_[at] == '"') return at;
      ++at;  // what a backslash stands before
    }
    return text_.size();
  }

  void index_elements() {
    PassedBytes passed(text_);
    std::size_t at = next(0) + 1;  // behind '['
    for (bool first = true;; first = false) {
      at = next(at);
      if (first && at < text_.size() && text_[at] == ']') break;
      starts_.push_back(at);
      at = element_end(at);
      if (text_[at] == '}') throw unexpected(at);
      if (text_[at] == ']') break;
      passed.reached(++at);
    }
    if (next(at + 1) < text_.size()) throw unexpected(next(at + 1));
  }

  [[nodiscard]] std::size_t next(std::size_t at) const { return std::min(text_.find_first_not_of(kJsonBlank, at), text_.size()); }

  [[nodiscard]] Error unexpected(std::size_t at) const {
    return Error{ErrorKind::data, fmt::format("{}: not one JSON array: byte {} behind row {} does not belong there", path_.string(), at + 1,
                                              starts_.size())};
  }

  std::filesystem::path path_;
  MappedFile file_;
  std::string_view text_;
  std::vector<std::uint64_t> starts_;
};

}  // namespace

std::unique_ptr<Table> lines_table(MappedFile file, std::filesystem::path path, LineNames names) {
  return std::make_unique<LinesTable>(std::move(file), std::move(path), names);
}

std::unique_ptr<Table> array_table(MappedFile file, std::filesystem::path path) {
  return std::make_unique<ArrayTable>(std::move(file), std::move(path));
}

bool is_json_array(const MappedFile& file) {
  const std::string_view text = text_of(file);
  const std::size_t first = text.find_first_not_of(kJsonBlank);
  return first != std::string_view::npos && text[first] == '[';
}

}  // namespace grpo::detail
