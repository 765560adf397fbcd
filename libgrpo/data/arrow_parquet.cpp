#include "libgrpo/base/error.hpp"
#include "libgrpo/data/arrow_files.hpp"
#include "libgrpo/data/arrow_values.hpp"
#include "libgrpo/data/laid_out.hpp"

#include <arrow/array.h>
#include <arrow/io/file.h>
#include <arrow/memory_pool.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>
#include <arrow/util/byte_size.h>
#include <fmt/format.h>
#include <parquet/arrow/reader.h>
#include <parquet/file_reader.h>
#include <parquet/metadata.h>
#include <parquet/properties.h>

#include <algorithm>
#include <list>
#include <mutex>
#include <set>
#include <utility>

namespace grpo::detail {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kSliceBytes = 4 << 20;
constexpr std::int64_t kMostSliceRows = 4096;
constexpr std::int64_t kKeptBytes = 64 << 20;
constexpr std::size_t kLongestShown = 200;
// A page says itself how long it becomes. What is read at a time is far below this, whatever a damaged or hostile file says.
constexpr std::int64_t kMostMemory = 256 << 20, kMostMemoryByBytes = 16;

Error failure(const fs::path& path, std::string_view reason) {
  std::string why;
  for (const char c : reason.substr(0, kLongestShown)) why += (c >= 0x20 && c < 0x7F) ? c : '?';
  return Error{ErrorKind::data, fmt::format("{}: {}", path.string(), why)};
}

// Arrow answers with a Status, Parquet below it throws: both become an Error with the file's name.
template <class Action>
auto guarded(const fs::path& path, Action action) {
  try {
    auto result = action();
    if (!result.ok()) throw failure(path, result.status().message());
    return std::move(result).ValueUnsafe();
  } catch (const Error&) {
    throw;
  } catch (const std::exception& error) {
    throw failure(path, error.what());
  }
}

struct Group {
  std::int64_t first_row = 0;
  std::int64_t rows = 0;
  std::int64_t slice_rows = 1;
};

// Which slice of which row group; slices of a group are of one size, but for the last.
struct SliceId {
  std::size_t group = 0;
  std::int64_t slice = 0;
  bool operator==(const SliceId&) const = default;
};

class ParquetTable final : public OrderedTable {
 public:
  ParquetTable(fs::path path, const std::vector<std::string>& only) : path_(std::move(path)), memory_(&counted_, most_memory(path_)) {
    reader_ = guarded(path_, [this] { return open(path_, &memory_); });
    const auto metadata = reader_->parquet_reader()->metadata();
    for (int g = 0; g < metadata->num_row_groups(); ++g)
      add_group(metadata->RowGroup(g)->num_rows(), metadata->RowGroup(g)->total_byte_size());
    if (size_ == 0) throw Error{ErrorKind::data, path_.string() + ": no rows: the Parquet file holds none"};
    for (int c = 0; c < metadata->num_columns(); ++c) {
      const std::string name = metadata->schema()->Column(c)->path()->ToDotVector().front();
      if (only.empty() || std::find(only.begin(), only.end(), name) != only.end()) leaves_.push_back(c);
    }
  }

  [[nodiscard]] std::size_t size() const override { return static_cast<std::size_t>(size_); }

  [[nodiscard]] Columns columns(std::size_t row) const override {
    const auto at = static_cast<std::int64_t>(row);
    const auto after =
        std::upper_bound(groups_.begin(), groups_.end(), at, [](std::int64_t r, const Group& group) { return r < group.first_row; });
    const Group& group = *std::prev(after);
    const std::int64_t inner = at - group.first_row;
    const auto batch = slice({static_cast<std::size_t>(&group - groups_.data()), inner / group.slice_rows});
    Columns columns;
    for (int c = 0; c < batch->num_columns(); ++c) {
      const std::string& name = batch->schema()->field(c)->name();
      try {
        columns.emplace(name, arrow_value(*batch->column(c), inner % group.slice_rows));
      } catch (const Error& error) {
        throw Error{ErrorKind::data, fmt::format("column \"{}\": {}", name, error.what())};
      }
    }
    return columns;
  }

  [[nodiscard]] Place place(std::size_t row) const override { return {path_, fmt::format(" row {}", row + 1)}; }
  [[nodiscard]] std::int64_t pieces() const override { return pieces_; }
  [[nodiscard]] std::int64_t skipped() const override {
    const std::lock_guard lock(mutex_);
    return skipped_;
  }

 private:
  using Batch = std::shared_ptr<arrow::RecordBatch>;

  static std::int64_t most_memory(const fs::path& path) {
    std::error_code unknown;
    const auto bytes = fs::file_size(path, unknown);
    return kMostMemory + (unknown ? 0 : kMostMemoryByBytes * static_cast<std::int64_t>(bytes));
  }

  static arrow::Result<std::unique_ptr<parquet::arrow::FileReader>> open(const fs::path& path, arrow::MemoryPool* memory) {
    parquet::ReaderProperties below(memory);
    below.enable_buffered_stream();  // else a column of a row group is read whole
    below.set_buffer_size(256 << 10);
    parquet::ArrowReaderProperties above(/*use_threads=*/false);
    above.set_pre_buffer(false);
    parquet::arrow::FileReaderBuilder builder;
    ARROW_ASSIGN_OR_RAISE(auto file, arrow::io::ReadableFile::Open(path.string()));
    ARROW_RETURN_NOT_OK(builder.Open(file, below));
    builder.memory_pool(memory)->properties(above);
    return builder.Build();
  }

  void add_group(std::int64_t rows, std::int64_t bytes) {
    if (rows < 0) throw Error{ErrorKind::data, path_.string() + ": a row group has a negative number of rows"};
    if (rows == 0) {
      groups_.push_back({size_, 0, 1});
      return;
    }
    const std::int64_t row_bytes = std::max<std::int64_t>(bytes, 0) / rows + 1;
    groups_.push_back({size_, rows, std::clamp<std::int64_t>(kSliceBytes / row_bytes, 1, kMostSliceRows)});
    size_ += rows;
    pieces_ += (rows + groups_.back().slice_rows - 1) / groups_.back().slice_rows;
  }

  // A slice that is kept, or else the group is decoded up to it, on from where it was left if that is possible.
  [[nodiscard]] Batch slice(SliceId id) const {
    const std::lock_guard lock(mutex_);
    for (auto kept = kept_.begin(); kept != kept_.end(); ++kept) {
      if (!(kept->id == id)) continue;
      kept_.splice(kept_.begin(), kept_, kept);
      return kept_.front().batch;
    }
    if (batches_ == nullptr || open_.group != id.group || open_.slice > id.slice) {
      batches_ = nullptr;
      reader_->set_batch_size(groups_[id.group].slice_rows);
      batches_ = guarded(path_, [&] { return reader_->GetRecordBatchReader({static_cast<int>(id.group)}, leaves_); });
      open_ = {id.group, 0};
    }
    skipped_ += id.slice - open_.slice;
    while (open_.slice <= id.slice) decode_next();
    return kept_.front().batch;
  }

  void decode_next() const {
    const Group& group = groups_[open_.group];
    Batch batch;
    try {
      batch = guarded(path_, [this] { return batches_->Next(); });
    } catch (const Error&) {
      batches_ = nullptr;
      throw;
    }
    const std::int64_t expected = std::min(group.slice_rows, group.rows - open_.slice * group.slice_rows);
    if (batch == nullptr || batch->num_rows() != expected) {
      batches_ = nullptr;
      throw Error{ErrorKind::data, fmt::format("row group {} ends before its {} rows", open_.group, group.rows)};
    }
    const std::int64_t bytes = arrow::util::TotalBufferSize(*batch);
    kept_.push_front({open_, batch, bytes});
    kept_bytes_ += bytes;
    while (kept_bytes_ > kKeptBytes && kept_.size() > 1) {
      kept_bytes_ -= kept_.back().bytes;
      kept_.pop_back();
    }
    ++open_.slice;
  }

  struct Kept {
    SliceId id;
    Batch batch;
    std::int64_t bytes;
  };

  fs::path path_;
  arrow::ProxyMemoryPool counted_{arrow::system_memory_pool()};
  arrow::CappedMemoryPool memory_;
  std::unique_ptr<parquet::arrow::FileReader> reader_;
  std::vector<int> leaves_;  // columns that are read
  std::vector<Group> groups_;
  std::int64_t size_ = 0, pieces_ = 0;
  mutable std::mutex mutex_;
  mutable std::int64_t skipped_ = 0;
  mutable std::unique_ptr<arrow::RecordBatchReader> batches_;  // of one row group
  mutable SliceId open_;                                       // what batches_ decodes next
  mutable std::list<Kept> kept_;                               // last used first
  mutable std::int64_t kept_bytes_ = 0;
};

}  // namespace

std::unique_ptr<Table> open_parquet(const fs::path& path, const std::vector<std::string>& only) {
  return lay_out_when_scattered(std::make_unique<ParquetTable>(path, only));
}

}  // namespace grpo::detail
