#include "libgrpo/metrics/event_file.hpp"

#include "libgrpo/base/error.hpp"
#include "libgrpo/base/files.hpp"
#include "libgrpo/base/utf8.hpp"

#include <algorithm>
#include <bit>
#include <boost/crc.hpp>
#include <chrono>
#include <fmt/format.h>
#include <unistd.h>

namespace grpo {
namespace {

// Protocol buffer wire format: a key of field number and type, then a varint (0), 8 bytes (1), bytes with their length (2), or
// 4 bytes (5).
void put_varint(std::string& out, std::uint64_t value) {
  for (; value >= 0x80U; value >>= 7U) out += static_cast<char>((value & 0x7FU) | 0x80U);
  out += static_cast<char>(value);
}

template <class Bits>
void put_little_endian(std::string& out, Bits bits) {
  for (std::size_t i = 0; i < sizeof(Bits); ++i) out += static_cast<char>((bits >> (8U * i)) & 0xFFU);
}

void put_key(std::string& out, unsigned field, unsigned type) { put_varint(out, (field << 3U) | type); }

void put_integer(std::string& out, unsigned field, std::int64_t value) {
  put_key(out, field, 0);
  put_varint(out, static_cast<std::uint64_t>(value));
}

void put_double(std::string& out, unsigned field, double value) {
  put_key(out, field, 1);
  put_little_endian(out, std::bit_cast<std::uint64_t>(value));
}

void put_float(std::string& out, unsigned field, float value) {
  put_key(out, field, 5);
  put_little_endian(out, std::bit_cast<std::uint32_t>(value));
}

void put_bytes(std::string& out, unsigned field, std::string_view bytes) {
  put_key(out, field, 2);
  put_varint(out, bytes.size());
  out += bytes;
}

void put_doubles(std::string& out, unsigned field, const std::vector<double>& values) {
  std::string packed;
  for (const double value : values) put_little_endian(packed, std::bit_cast<std::uint64_t>(value));
  put_bytes(out, field, packed);
}

// Event: wall_time 1, step 2, file_version 3, summary 5, session_log 7. Summary: value 1. Summary.Value: tag 1, simple_value 2,
// histo 5, tensor 8, metadata 9. SummaryMetadata: plugin_data 1 (plugin_name 1). TensorProto: dtype 1, tensor_shape 2 (dim 2:
// size 1), string_val 8. HistogramProto: min 1, max 2, num 3, sum 4, sum_squares 5, bucket_limit 6, bucket 7. SessionLog: status 1.
constexpr unsigned kSummary = 5, kSessionLog = 7;
constexpr std::int64_t kSessionStart = 1, kStringType = 7;

std::string summary_of(const std::vector<std::string>& values) {
  std::string summary, event;
  for (const std::string& value : values) put_bytes(summary, 1, value);
  put_bytes(event, kSummary, summary);
  return event;
}

/// Equal buckets between the lowest and the highest value, 30 of them.
std::string histogram_of(const std::vector<double>& sorted) {
  const double low = sorted.front(), high = sorted.back();
  const std::size_t buckets = low == high ? 1 : 30;
  double sum = 0.0, squares = 0.0;
  std::vector<double> limits, counts(buckets, 0.0);
  for (std::size_t i = 1; i <= buckets; ++i)
    limits.push_back(i == buckets ? high : low + (high - low) * static_cast<double>(i) / static_cast<double>(buckets));
  for (const double value : sorted) {
    sum += value;
    squares += value * value;
    const auto at = std::lower_bound(limits.begin(), limits.end(), value) - limits.begin();
    counts[std::min(static_cast<std::size_t>(at), buckets - 1)] += 1.0;
  }
  std::string histogram;
  put_double(histogram, 1, low);
  put_double(histogram, 2, high);
  put_double(histogram, 3, static_cast<double>(sorted.size()));
  put_double(histogram, 4, sum);
  put_double(histogram, 5, squares);
  put_doubles(histogram, 6, limits);
  put_doubles(histogram, 7, counts);
  return histogram;
}

double wall_time() { return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count(); }

std::string host_name() {
  char name[256] = {};
  return gethostname(name, sizeof(name) - 1) == 0 ? name : "localhost";
}

}  // namespace

std::uint32_t masked_crc32c(std::string_view bytes) {
  boost::crc_optimal<32, 0x1EDC6F41, 0xFFFFFFFF, 0xFFFFFFFF, true, true> crc;
  crc.process_bytes(bytes.data(), bytes.size());
  const std::uint32_t plain = crc.checksum();
  return ((plain >> 15U) | (plain << 17U)) + 0xA282EAD8U;
}

EventFile::EventFile(const std::filesystem::path& folder, std::int64_t resume_step) {
  make_folder(folder);
  // TensorBoard reads a folder's files in the order of their names, so a later run's must sort behind: microseconds of the clock.
  path_ = folder / fmt::format("events.out.tfevents.{:017.6f}.{}.{}", wall_time(), host_name(), getpid());
  out_.open(path_, std::ios::binary | std::ios::trunc);
  std::string version;
  put_bytes(version, 3, "brain.Event:2");
  event(0, version);
  if (resume_step <= 0) return;
  std::string log, body;
  put_integer(log, 1, kSessionStart);
  put_bytes(body, kSessionLog, log);
  event(resume_step + 1, body);
}

void EventFile::event(std::int64_t step, const std::string& body) {
  std::string event;
  put_double(event, 1, wall_time());
  put_integer(event, 2, step);
  event += body;
  std::string record;
  put_little_endian(record, static_cast<std::uint64_t>(event.size()));
  const std::uint32_t length_crc = masked_crc32c(record);
  put_little_endian(record, length_crc);
  record += event;
  put_little_endian(record, masked_crc32c(event));
  out_ << record;
  if (!out_.flush()) throw Error(ErrorKind::backend, path_.string() + ": cannot be written (disk full?)");
}

void EventFile::scalars(std::int64_t step, const std::map<std::string, double>& values) {
  std::vector<std::string> all;
  for (const auto& [tag, number] : values) {
    std::string value;
    put_bytes(value, 1, tag);
    put_float(value, 2, static_cast<float>(number));
    all.push_back(std::move(value));
  }
  event(step, summary_of(all));
}

void EventFile::histogram(std::int64_t step, const std::string& tag, std::vector<double> values) {
  std::sort(values.begin(), values.end());
  std::string value;
  put_bytes(value, 1, tag);
  put_bytes(value, 5, histogram_of(values));
  event(step, summary_of({value}));
}

void EventFile::text(std::int64_t step, const std::string& tag, const std::string& text) {
  std::string plugin, metadata, dimension, shape, tensor, value;
  put_bytes(plugin, 1, "text");
  put_bytes(metadata, 1, plugin);
  put_integer(dimension, 1, 1);
  put_bytes(shape, 2, dimension);
  put_integer(tensor, 1, kStringType);
  put_bytes(tensor, 2, shape);
  put_bytes(tensor, 8, replace_invalid_utf8(text));
  put_bytes(value, 1, tag);
  put_bytes(value, 8, tensor);
  put_bytes(value, 9, metadata);
  event(step, summary_of({value}));
}

}  // namespace grpo
