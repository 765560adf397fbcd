#include "libgrpo/format/safetensors.hpp"

#include "libgrpo/base/error.hpp"
#include "libgrpo/format/show.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

namespace grpo {
namespace {

using detail::joined;
using detail::shown;

static_assert(std::endian::native == std::endian::little, "the header length is little-endian");

constexpr std::uint64_t kLengthBytes = 8;
constexpr std::uint64_t kMaxHeaderBytes = 100'000'000;  // the reference implementation's limit

[[noreturn]] void fail(const std::filesystem::path& path, std::string_view what) {
  throw Error{ErrorKind::data,
              fmt::format("{}: {}; the file is damaged or not a safetensors file, fetch or write it again", path.string(), what)};
}

struct Entry {
  SafeTensor tensor;
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
};

/// Reads the header as a stream of JSON events: nothing is kept but what the format knows, so neither depth nor
/// repeated names cost memory. The accepted shape is
///   { "__metadata__": {text: text}, name: {"dtype": text, "shape": [n...], "data_offsets": [n, n]}, ... }
class HeaderReader : public nlohmann::json_sax<nlohmann::json> {
 public:
  std::vector<Entry> entries;
  std::map<std::string, std::string> metadata;
  std::string reason;  ///< why a callback returned false

  bool null() override { return unexpected("null"); }
  bool boolean(bool /*value*/) override { return unexpected("a boolean"); }
  bool number_integer(number_integer_t value) override { return refuse(fmt::format("number {}", value)); }
  bool number_float(number_float_t /*value*/, const string_t& text) override { return refuse("number " + shown(text)); }
  bool binary(binary_t& /*value*/) override { return unexpected("binary data"); }

  bool number_unsigned(number_unsigned_t value) override {
    if (!in_array_) return unexpected("a number");
    if (field_ == "shape") {
      if (!std::in_range<std::int64_t>(value)) return refuse(fmt::format("extent {}", value));
      entries.back().tensor.shape.push_back(static_cast<std::int64_t>(value));
      return true;
    }
    if (offsets_ == 2) return refuse("more than two data_offsets");
    (offsets_++ == 0 ? entries.back().begin : entries.back().end) = value;
    return true;
  }

  bool string(string_t& value) override {
    if (level_ == 2 && in_metadata_) {
      if (!metadata.emplace(field_, std::move(value)).second) return refuse("this key occurs twice");
      return true;
    }
    if (level_ == 2 && !in_array_ && field_ == "dtype") {
      entries.back().tensor.dtype = std::move(value);
      return true;
    }
    return unexpected("a text");
  }

  bool start_object(std::size_t /*size*/) override {
    if (level_ >= 2 || in_array_) return unexpected("an object");
    ++level_;
    if (level_ == 1) return true;
    in_metadata_ = name_ == "__metadata__";
    seen_.clear();
    field_.clear();
    offsets_ = 0;
    if (in_metadata_) {
      if (std::exchange(metadata_seen_, true)) return refuse("occurs twice");
    } else {
      entries.emplace_back().tensor.name = name_;
    }
    return true;
  }

  bool key(string_t& value) override {
    if (level_ == 1) {
      name_ = std::move(value);
      field_.clear();
      return true;
    }
    field_ = std::move(value);
    if (in_metadata_) return true;
    if (field_ != "dtype" && field_ != "shape" && field_ != "data_offsets") return refuse("unknown field");
    if (std::find(seen_.begin(), seen_.end(), field_) != seen_.end()) return refuse("this field occurs twice");
    seen_.push_back(field_);
    return true;
  }

  bool end_object() override {
    --level_;
    if (level_ == 0 || in_metadata_) return true;
    field_.clear();
    if (seen_.size() != 3) return refuse("dtype, shape and data_offsets are all required");
    if (offsets_ != 2) return refuse("data_offsets needs two numbers");
    return true;
  }

  bool start_array(std::size_t /*size*/) override {
    const bool expected = level_ == 2 && !in_array_ && !in_metadata_ && (field_ == "shape" || field_ == "data_offsets");
    in_array_ = true;
    return expected || unexpected("a list");
  }

  bool end_array() override {
    in_array_ = false;
    return true;
  }

  bool parse_error(std::size_t position, const std::string& /*token*/, const nlohmann::detail::exception& error) override {
    reason = fmt::format("the header is not JSON at byte {}: {}", kLengthBytes + position, shown(error.what()));
    return false;
  }

 private:
  bool refuse(std::string_view what) {
    reason =
        fmt::format("header entry \"{}\"{}: {}", shown(name_), field_.empty() ? "" : fmt::format(", field \"{}\"", shown(field_)), what);
    return false;
  }
  bool unexpected(std::string_view what) { return refuse(fmt::format("{} does not belong here", what)); }

  int level_ = 0;  // of objects; arrays hold numbers only
  bool in_array_ = false;
  bool in_metadata_ = false;
  bool metadata_seen_ = false;
  std::string name_;
  std::string field_;
  std::vector<std::string> seen_;
  int offsets_ = 0;
};

/// The bytes of the JSON header.
std::string_view find_header(const std::filesystem::path& path, std::span<const std::byte> bytes) {
  if (bytes.size() < kLengthBytes) fail(path, fmt::format("{} bytes are too few for a header", bytes.size()));
  std::uint64_t length = 0;
  std::memcpy(&length, bytes.data(), sizeof length);
  if (length > kMaxHeaderBytes) fail(path, fmt::format("header of {} bytes, more than {}", length, kMaxHeaderBytes));
  if (length > bytes.size() - kLengthBytes) {
    fail(path, fmt::format("header of {} bytes in a file of {}: the file is cut short", length, bytes.size()));
  }
  const std::string_view header{reinterpret_cast<const char*>(bytes.data()) + kLengthBytes, static_cast<std::size_t>(length)};
  if (!header.starts_with('{')) fail(path, "the header does not start with {");
  return header;
}

/// Bytes of the shape, nothing if they overflow.
std::optional<std::uint64_t> shape_bytes(const std::vector<std::int64_t>& shape, std::uint64_t element_bytes) {
  // A zero anywhere makes the tensor empty, whatever the product of the others would be.
  if (std::find(shape.begin(), shape.end(), 0) != shape.end()) return 0;
  std::uint64_t bytes = element_bytes;
  for (const std::int64_t extent : shape) {
    if (__builtin_mul_overflow(bytes, static_cast<std::uint64_t>(extent), &bytes)) return std::nullopt;
  }
  return bytes;
}

/// Checks one tensor against the data, which must be used from `expected_begin` on without gaps, as the format demands.
void place(const std::filesystem::path& path, Entry& entry, std::uint64_t expected_begin, std::span<const std::byte> data) {
  SafeTensor& tensor = entry.tensor;
  const auto refuse = [&](std::string_view what) {
    fail(path, fmt::format("tensor \"{}\" at data offsets {} to {}: {}", shown(tensor.name), entry.begin, entry.end, what));
  };
  if (entry.begin > entry.end) refuse("it ends before it begins");
  if (entry.end > data.size()) refuse(fmt::format("the data end at {}", data.size()));
  if (entry.begin < expected_begin) refuse(fmt::format("it overlaps the tensor before it, which ends at {}", expected_begin));
  if (entry.begin > expected_begin) refuse(fmt::format("the bytes from {} on belong to no tensor", expected_begin));
  const std::size_t element_bytes = dtype_bytes(tensor.dtype);
  if (element_bytes == 0) refuse(fmt::format("dtype \"{}\" is unknown", shown(tensor.dtype)));
  const auto bytes = shape_bytes(tensor.shape, element_bytes);
  if (!bytes) refuse("the number of elements overflows");
  if (*bytes != entry.end - entry.begin) {
    refuse(fmt::format("{} bytes where shape [{}] of {} has {}", entry.end - entry.begin, joined(tensor.shape), tensor.dtype, *bytes));
  }
  tensor.data = data.subspan(static_cast<std::size_t>(entry.begin), static_cast<std::size_t>(*bytes));
}

}  // namespace

SafetensorsFile::SafetensorsFile(const std::filesystem::path& path, MapAccess access) : file_(path, access) {
  const std::string_view header = find_header(path, file_.bytes());
  HeaderReader reader;
  if (!nlohmann::json::sax_parse(header.begin(), header.end(), &reader)) fail(path, reader.reason);

  // Stable: empty tensors share an offset and keep the header's order.
  std::stable_sort(reader.entries.begin(), reader.entries.end(), [](const Entry& a, const Entry& b) {
    return std::pair{a.begin, a.end} < std::pair{b.begin, b.end};
  });
  const auto data = file_.bytes().subspan(kLengthBytes + header.size());
  std::uint64_t used = 0;
  for (Entry& entry : reader.entries) {
    place(path, entry, used, data);
    used = entry.end;
    if (!index_.emplace(entry.tensor.name, tensors_.size()).second) {
      fail(path, fmt::format("tensor \"{}\" occurs twice", shown(entry.tensor.name)));
    }
    tensors_.push_back(std::move(entry.tensor));
  }
  if (used != data.size()) fail(path, fmt::format("the data bytes from {} to {} belong to no tensor", used, data.size()));
  metadata_ = std::move(reader.metadata);
}

const SafeTensor* SafetensorsFile::find(std::string_view name) const {
  const auto found = index_.find(name);
  return found == index_.end() ? nullptr : &tensors_[found->second];
}

std::size_t dtype_bytes(std::string_view dtype) noexcept {
  struct Known {
    std::string_view name;
    std::size_t bytes;
  };
  static constexpr std::array<Known, 17> kKnown{{{"F32", 4},
                                                 {"BF16", 2},
                                                 {"F16", 2},
                                                 {"I64", 8},
                                                 {"I32", 4},
                                                 {"U8", 1},
                                                 {"BOOL", 1},
                                                 {"F64", 8},
                                                 {"I8", 1},
                                                 {"I16", 2},
                                                 {"U16", 2},
                                                 {"U32", 4},
                                                 {"U64", 8},
                                                 {"F8_E4M3", 1},
                                                 {"F8_E5M2", 1},
                                                 {"F8_E8M0", 1},
                                                 {"C64", 8}}};
  for (const Known& known : kKnown) {
    if (known.name == dtype) return known.bytes;
  }
  return 0;
}

}  // namespace grpo
