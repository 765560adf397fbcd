#include "libgrpo/base/error.hpp"
#include "libgrpo/base/utf8.hpp"
#include "libgrpo/data/arrow_files.hpp"

#include <arrow/array.h>
#include <arrow/buffer.h>
#include <arrow/csv/api.h>
#include <arrow/io/compressed.h>
#include <arrow/io/file.h>
#include <arrow/io/transform.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>
#include <arrow/util/compression.h>
#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

namespace grpo::detail {
namespace {

namespace fs = std::filesystem;
using arrow::Result;
using arrow::Status;
using InputStream = std::shared_ptr<arrow::io::InputStream>;

constexpr std::int32_t kBlock = 16 << 20;  // bytes Arrow looks at together, and so the longest record of a CSV file
constexpr std::size_t kLongestShown = 200;

Error failure(const fs::path& path, const Status& status) {
  std::string why;
  for (const char c : status.message().substr(0, kLongestShown)) why += (c >= 0x20 && c < 0x7F) ? c : '?';
  return Error{ErrorKind::data, fmt::format("{}: {}", path.string(), why)};
}

void check(const fs::path& path, const Status& status) {
  if (!status.ok()) throw failure(path, status);
}

template <class T>
T take(const fs::path& path, Result<T> result) {
  check(path, result.status());
  return std::move(result).ValueUnsafe();
}

// A packed file's bytes, or the file as it is. The codec must outlive the stream.
struct Opened {
  std::unique_ptr<arrow::util::Codec> codec;
  InputStream stream;
};

Opened open_stream(const fs::path& path) {
  Opened opened;
  opened.stream = take(path, arrow::io::ReadableFile::Open(path.string()));
  const bool gzip = path.extension() == ".gz";
  if (!gzip && path.extension() != ".zst") return opened;
  opened.codec = take(path, arrow::util::Codec::Create(gzip ? arrow::Compression::GZIP : arrow::Compression::ZSTD));
  opened.stream = take(path, arrow::io::CompressedInputStream::Make(opened.codec.get(), opened.stream));
  return opened;
}

// What Arrow's reader does not say: whether the last quote was closed.
struct Tail {
  std::size_t quotes = 0;
  char last = '\n';
};

InputStream watch(InputStream stream, Tail& tail) {
  return std::make_shared<arrow::io::TransformInputStream>(
      std::move(stream), [&tail](const std::shared_ptr<arrow::Buffer>& buffer) -> Result<std::shared_ptr<arrow::Buffer>> {
        const auto* bytes = reinterpret_cast<const char*>(buffer->data());
        tail.quotes += static_cast<std::size_t>(std::count(bytes, bytes + buffer->size(), '"'));
        if (buffer->size() > 0) tail.last = bytes[buffer->size() - 1];
        return buffer;
      });
}

std::shared_ptr<arrow::csv::StreamingReader> open_csv(const fs::path& path, InputStream stream, const std::vector<std::string>& names) {
  auto read = arrow::csv::ReadOptions::Defaults();
  read.use_threads = false;  // with threads, errors come without the number of the record
  read.block_size = kBlock;
  auto parse = arrow::csv::ParseOptions::Defaults();
  parse.newlines_in_values = true;
  const fs::path bare = path.extension() == ".gz" || path.extension() == ".zst" ? path.stem() : path;
  if (bare.extension() == ".tsv") parse.delimiter = '\t';
  auto convert = arrow::csv::ConvertOptions::Defaults();
  convert.check_utf8 = false;  // checked below, where record and column are known
  for (const std::string& name : names) convert.column_types[name] = arrow::binary();
  return take(path, arrow::csv::StreamingReader::Make(arrow::io::default_io_context(), std::move(stream), read, parse, convert));
}

std::vector<std::string> column_names(const fs::path& path) {
  const Opened opened = open_stream(path);
  std::vector<std::string> names = open_csv(path, opened.stream, {})->schema()->field_names();
  std::vector<std::string> sorted = names;
  std::sort(sorted.begin(), sorted.end());
  const auto twice = std::adjacent_find(sorted.begin(), sorted.end());
  if (twice != sorted.end())
    throw Error{ErrorKind::data, fmt::format("{}: two columns are named \"{}\"", path.string(), replace_invalid_utf8(*twice))};
  for (const std::string& name : names)
    if (!is_utf8(name))
      throw Error{ErrorKind::data, fmt::format("{}: the name of column {} is not UTF-8", path.string(), replace_invalid_utf8(name))};
  return names;
}

}  // namespace

void read_csv(const fs::path& path, const std::function<void(std::string_view)>& record) {
  const std::vector<std::string> names = column_names(path);
  const Opened opened = open_stream(path);
  Tail tail;
  const auto reader = open_csv(path, watch(opened.stream, tail), names);
  std::size_t row = 0;
  bool ends_with_newline = false;  // the last cell
  std::string line;
  for (std::shared_ptr<arrow::RecordBatch> batch;;) {
    check(path, reader->ReadNext(&batch));
    if (batch == nullptr) break;
    for (std::int64_t i = 0; i < batch->num_rows(); ++i) {
      ++row;
      line = "{";
      for (int c = 0; c < batch->num_columns(); ++c) {
        const auto& name = names[static_cast<std::size_t>(c)];
        const std::string_view cell = static_cast<const arrow::BinaryArray&>(*batch->column(c)).GetView(i);
        if (!is_utf8(cell)) throw Error{ErrorKind::data, fmt::format("{} row {}: column \"{}\" is not UTF-8", path.string(), row, name)};
        line += (c > 0 ? "," : "") + nlohmann::json(name).dump() + ":" + nlohmann::json(cell).dump();
        ends_with_newline = cell.ends_with('\n');
      }
      line += "}\n";
      record(line);
    }
  }
  if (row == 0) throw Error{ErrorKind::data, path.string() + ": no rows: there is nothing behind the names of the columns"};
  if (tail.quotes % 2 == 1 && (tail.last != '\n' || ends_with_newline))
    throw Error{ErrorKind::data, fmt::format("{} row {}: a quote is opened and never closed", path.string(), row)};
}

void unpack(const fs::path& path, const std::function<void(std::string_view)>& piece) {
  constexpr std::int64_t kPiece = 1 << 20;
  const Opened opened = open_stream(path);
  while (true) {
    const auto buffer = take(path, opened.stream->Read(kPiece));
    if (buffer->size() == 0) return;
    piece({reinterpret_cast<const char*>(buffer->data()), static_cast<std::size_t>(buffer->size())});
  }
}

}  // namespace grpo::detail
