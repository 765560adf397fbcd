#include "libgrpo/format/gguf_part.hpp"

#include "libgrpo/format/ggml_types.hpp"
#include "libgrpo/format/gguf_cursor.hpp"
#include "libgrpo/format/show.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <limits>
#include <set>
#include <utility>

namespace grpo::detail {
namespace {

constexpr std::uint64_t kMinKeyValueBytes = 13;    // key length, value type, one byte of value
constexpr std::uint64_t kMinTensorInfoBytes = 32;  // name length, one dimension, type, offset
constexpr std::uint32_t kMaxDimensions = 4;        // ggml's limit
constexpr std::int64_t kDefaultAlignment = 32;

struct Counts {
  std::uint64_t tensors;
  std::uint64_t key_values;
};

Counts read_header(GgufCursor& cursor) {
  if (cursor.remaining() < 4) cursor.fail("too short for the four letters GGUF");
  const auto magic = cursor.scalar<std::array<char, 4>>();
  const std::string_view letters{magic.data(), magic.size()};
  if (letters != "GGUF") cursor.fail(fmt::format("starts with \"{}\", not with GGUF", shown(letters)));
  const auto version = cursor.scalar<std::uint32_t>();
  if (version != 2 && version != 3) {
    const bool swapped = (version & 0xFFFFU) == 0 && version != 0;
    cursor.fail(swapped ? "big-endian, which is not read here" : fmt::format("version {}, but versions 2 and 3 are read here", version));
  }
  const Counts counts{cursor.scalar<std::uint64_t>(), cursor.scalar<std::uint64_t>()};
  cursor.expect_room(counts.key_values, kMinKeyValueBytes, "metadata keys");
  cursor.expect_room(counts.tensors, kMinTensorInfoBytes, "tensors");
  return counts;
}

/// Bytes of a tensor of this shape; fails on sizes that are not whole blocks or exceed the file.
std::uint64_t tensor_bytes(const GgufCursor& cursor, const GgmlType& type, const std::vector<std::int64_t>& shape) {
  std::uint64_t elements = 1;
  for (const std::int64_t extent : shape) {
    if (__builtin_mul_overflow(elements, static_cast<std::uint64_t>(extent), &elements) ||
        elements > std::numeric_limits<std::uint64_t>::max() / type.block_bytes) {
      cursor.fail("the number of elements overflows");
    }
  }
  if (shape.back() % type.block_elements != 0) {
    cursor.fail(fmt::format("rows of {} are not whole blocks of {} ({})", shape.back(), type.block_elements, type.name));
  }
  return elements / type.block_elements * type.block_bytes;
}

/// Name, shape, type and offset; `data` stays empty and `offset` relative until the start of the data is known.
GgufTensor read_tensor_info(GgufCursor& cursor, std::uint64_t* bytes) {
  GgufTensor tensor;
  tensor.name = cursor.name();
  cursor.item = fmt::format("tensor \"{}\"", shown(tensor.name));
  const auto dimensions = cursor.scalar<std::uint32_t>();
  if (dimensions < 1 || dimensions > kMaxDimensions) cursor.fail(fmt::format("{} dimensions, not 1 to 4", dimensions));
  for (std::uint32_t i = 0; i < dimensions; ++i) {
    const auto extent = cursor.scalar<std::int64_t>();
    if (extent < 1) cursor.fail(fmt::format("extent {} in dimension {}", extent, i));
    tensor.shape.insert(tensor.shape.begin(), extent);
  }
  const auto type_id = cursor.scalar<std::uint32_t>();
  const GgmlType* type = detail::find_ggml_type(type_id);
  if (type == nullptr) {
    cursor.fail(
        fmt::format("type {} cannot be decoded here; F32, F16, BF16, Q8_0, Q4_0, Q4_1, Q5_0, Q5_1, Q4_K, Q5_K and "
                    "Q6_K can",
                    detail::ggml_type_name(type_id)));
  }
  tensor.type = type->name;
  tensor.offset = cursor.scalar<std::uint64_t>();
  *bytes = tensor_bytes(cursor, *type, tensor.shape);
  return tensor;
}

std::int64_t read_alignment(const GgufCursor& cursor, const GgufMetadata& metadata) {
  const auto found = metadata.find("general.alignment");
  if (found == metadata.end()) return kDefaultAlignment;
  const auto* value = std::get_if<std::int64_t>(&found->second);
  if (value == nullptr) cursor.fail("general.alignment is not an integer");
  const std::int64_t alignment = *value;
  if (alignment < 1 || alignment > (std::int64_t{1} << 31) || !std::has_single_bit(static_cast<std::uint64_t>(alignment))) {
    cursor.fail(fmt::format("general.alignment is {}, not a power of two", alignment));
  }
  return alignment;
}

/// Two tensors over the same bytes would let a small file claim any amount of memory.
void refuse_overlap(GgufCursor& cursor, const std::vector<GgufTensor>& tensors) {
  std::vector<const GgufTensor*> sorted;
  for (const GgufTensor& tensor : tensors) sorted.push_back(&tensor);
  std::sort(sorted.begin(), sorted.end(), [](const auto* a, const auto* b) { return a->offset < b->offset; });
  for (std::size_t i = 1; i < sorted.size(); ++i) {
    const GgufTensor& before = *sorted[i - 1];
    if (before.offset + before.data.size() > sorted[i]->offset) {
      cursor.item = fmt::format("tensor \"{}\"", shown(sorted[i]->name));
      cursor.fail(fmt::format("its data at byte {} lie inside those of \"{}\"", sorted[i]->offset, shown(before.name)));
    }
  }
}

GgufMetadata read_metadata(GgufCursor& cursor, std::uint64_t count) {
  GgufMetadata metadata;
  for (std::uint64_t i = 0; i < count; ++i) {
    cursor.item = fmt::format("metadata key {} of {}", i + 1, count);
    std::string key = cursor.name();
    cursor.item = fmt::format("metadata key \"{}\"", shown(key));
    if (metadata.find(key) != metadata.end()) cursor.fail("occurs twice");
    GgufValue value = read_gguf_value(cursor);
    metadata.emplace(std::move(key), std::move(value));
  }
  cursor.item = "metadata";
  return metadata;
}

}  // namespace

GgufPart read_gguf_part(const std::filesystem::path& path) {
  GgufPart part{MappedFile(path), {}, {}};
  const std::span<const std::byte> bytes = part.file.bytes();
  GgufCursor cursor{bytes, path};
  const Counts counts = read_header(cursor);
  part.metadata = read_metadata(cursor, counts.key_values);
  const auto alignment = static_cast<std::uint64_t>(read_alignment(cursor, part.metadata));

  std::vector<std::uint64_t> sizes(static_cast<std::size_t>(counts.tensors));
  std::set<std::string_view> names;
  part.tensors.reserve(sizes.size());
  for (std::uint64_t& size : sizes) {
    cursor.item = fmt::format("tensor {} of {}", part.tensors.size() + 1, counts.tensors);
    part.tensors.push_back(read_tensor_info(cursor, &size));
    if (!names.insert(part.tensors.back().name).second) cursor.fail("occurs twice");
  }
  const std::uint64_t data_begin = (cursor.position() + alignment - 1) / alignment * alignment;
  const std::uint64_t data_bytes = bytes.size() - std::min<std::uint64_t>(data_begin, bytes.size());
  for (std::size_t i = 0; i < part.tensors.size(); ++i) {
    GgufTensor& tensor = part.tensors[i];
    cursor.item = fmt::format("tensor \"{}\"", shown(tensor.name));
    if (tensor.offset % alignment != 0) {
      cursor.fail(fmt::format("offset {} is not a multiple of the alignment {}", tensor.offset, alignment));
    }
    if (tensor.offset > data_bytes || sizes[i] > data_bytes - tensor.offset) {
      cursor.fail(
          fmt::format("{} bytes at offset {} of the data, which end at {}: the file is cut short", sizes[i], tensor.offset, data_bytes));
    }
    tensor.offset += data_begin;
    tensor.data = bytes.subspan(static_cast<std::size_t>(tensor.offset), static_cast<std::size_t>(sizes[i]));
  }
  refuse_overlap(cursor, part.tensors);
  return part;
}

}  // namespace grpo::detail
