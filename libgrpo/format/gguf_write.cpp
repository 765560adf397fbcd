#include "libgrpo/format/gguf_write.hpp"

#include "libgrpo/base/check.hpp"
#include "libgrpo/base/files.hpp"
#include "libgrpo/format/ggml_types.hpp"
#include "libgrpo/format/show.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <fstream>
#include <set>
#include <system_error>
#include <type_traits>

namespace grpo {
namespace {

namespace fs = std::filesystem;
using detail::GgmlType;

constexpr std::size_t kAlignment = 32;            // the default, so that no key need say it
constexpr std::int64_t kChunkElements = 1 << 20;  // made and written at a time

enum ValueType : std::uint32_t { kU32 = 4, kI32 = 5, kF32 = 6, kBool = 7, kText = 8, kArray = 9 };

template <class T>
requires std::is_arithmetic_v<T>
void put(std::string& out, T value) { out.append(reinterpret_cast<const char*>(&value), sizeof value); }

void put(std::string& out, const std::string& text) {
  put(out, std::uint64_t{text.size()});
  out += text;
}

template <class T>
void put_list(std::string& out, ValueType type, const std::vector<T>& values) {
  put(out, std::uint32_t{kArray});
  put(out, std::uint32_t{type});
  put(out, std::uint64_t{values.size()});
  for (const T& value : values) put(out, value);
}

struct PutValue {
  std::string& out;

  void operator()(std::uint32_t value) const { one(kU32, value); }
  void operator()(float value) const { one(kF32, value); }
  void operator()(bool value) const { one(kBool, static_cast<std::uint8_t>(value ? 1 : 0)); }
  void operator()(const std::string& value) const { one(kText, value); }
  void operator()(const std::vector<std::string>& values) const { put_list(out, kText, values); }
  void operator()(const std::vector<std::int32_t>& values) const { put_list(out, kI32, values); }
  void operator()(const std::vector<float>& values) const { put_list(out, kF32, values); }

 private:
  template <class T>
  void one(ValueType type, const T& value) const {
    put(out, std::uint32_t{type});
    put(out, value);
  }
};

const GgmlType& encodable(const GgufTensorSource& tensor) {
  const GgmlType* type = detail::find_ggml_type(tensor.type);
  GRPO_CHECK(type != nullptr && type->encode != nullptr,
             fmt::format("tensor {} is to have type {}, which is not written here", tensor.name, tensor.type));
  GRPO_CHECK(!tensor.shape.empty() && tensor.shape.size() <= 4 && tensor.shape.back() % type->block_elements == 0 &&
                 std::all_of(tensor.shape.begin(), tensor.shape.end(), [](std::int64_t extent) { return extent > 0; }),
             fmt::format("tensor {} of shape [{}] has no whole blocks of {}", tensor.name, detail::joined(tensor.shape), tensor.type));
  return *type;
}

std::int64_t elements_of(const GgufTensorSource& tensor) {
  std::int64_t elements = 1;
  for (const std::int64_t extent : tensor.shape) elements *= extent;
  return elements;
}

std::uint64_t bytes_of(const GgufTensorSource& tensor) {
  const GgmlType& type = encodable(tensor);
  return static_cast<std::uint64_t>(elements_of(tensor)) / type.block_elements * type.block_bytes;
}

std::uint64_t aligned(std::uint64_t bytes) { return (bytes + kAlignment - 1) / kAlignment * kAlignment; }

/// Everything in front of the data.
std::string make_front(const GgufEntries& entries, const std::vector<GgufTensorSource>& tensors) {
  constexpr std::uint32_t kVersion = 3;
  std::string front = "GGUF";
  put(front, kVersion);
  put(front, std::uint64_t{tensors.size()});
  put(front, std::uint64_t{entries.size()});
  std::set<std::string_view> names;
  for (const auto& [key, value] : entries) {
    GRPO_CHECK(names.insert(key).second, fmt::format("the metadata key {} is given twice", key));
    put(front, key);
    std::visit(PutValue{front}, value);
  }
  names.clear();
  std::uint64_t offset = 0;
  for (const GgufTensorSource& tensor : tensors) {
    GRPO_CHECK(names.insert(tensor.name).second, fmt::format("the tensor {} is given twice", tensor.name));
    put(front, tensor.name);
    put(front, static_cast<std::uint32_t>(tensor.shape.size()));
    for (auto extent = tensor.shape.rbegin(); extent != tensor.shape.rend(); ++extent) put(front, *extent);
    put(front, std::uint32_t{encodable(tensor).id});
    put(front, offset);
    offset += aligned(bytes_of(tensor));
  }
  front.resize(aligned(front.size()), '\0');
  return front;
}

class Output {
 public:
  explicit Output(const fs::path& path) : path_(path), out_(path, std::ios::binary | std::ios::trunc) { check("cannot create"); }

  void write(std::string_view bytes) {
    out_.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    check("cannot write");
  }
  void finish() {
    out_.close();
    check("cannot close");
    sync_file(path_);
  }

 private:
  void check(std::string_view action) {
    if (out_) return;
    const std::string why = std::error_code(errno, std::generic_category()).message();
    throw Error{ErrorKind::backend, fmt::format("{}: {}: {}; free space or choose another place", path_.string(), action, why)};
  }

  fs::path path_;
  std::ofstream out_;
};

void write_tensor(const GgufTensorSource& tensor, Output& out) {
  const GgmlType& type = encodable(tensor);
  const std::int64_t row = tensor.shape.back(), rows = elements_of(tensor) / row;
  const std::int64_t at_once = std::max<std::int64_t>(1, kChunkElements / row);
  std::vector<float> values;
  std::string bytes;
  for (std::int64_t first = 0; first < rows; first += at_once) {
    values.resize(static_cast<std::size_t>(std::min(at_once, rows - first) * row));
    tensor.fill(first, values);
    const auto bad = std::find_if(values.begin(), values.end(), [&](float x) { return !(std::abs(x) <= type.largest); });
    if (bad != values.end())
      throw Error{ErrorKind::data, fmt::format("tensor {} holds {}, which {} cannot{}", tensor.name, *bad, tensor.type,
                                               std::isfinite(*bad) ? "; choose bf16 or f32" : "")};
    const std::size_t blocks = values.size() / type.block_elements;
    bytes.resize(blocks * type.block_bytes);
    type.encode(values.data(), blocks, reinterpret_cast<std::uint8_t*>(bytes.data()));
    out.write(bytes);
  }
  const std::uint64_t size = bytes_of(tensor);
  out.write(std::string(aligned(size) - size, '\0'));
}

}  // namespace

bool gguf_can_write(std::string_view type, std::int64_t row) {
  const GgmlType* found = detail::find_ggml_type(type);
  return found != nullptr && found->encode != nullptr && row % found->block_elements == 0;
}

std::uint64_t gguf_data_bytes(const std::vector<GgufTensorSource>& tensors) {
  std::uint64_t bytes = 0;
  for (const GgufTensorSource& tensor : tensors) bytes += aligned(bytes_of(tensor));
  return bytes;
}

void write_gguf(const fs::path& path, const GgufEntries& entries, const std::vector<GgufTensorSource>& tensors) {
  const std::string front = make_front(entries, tensors);  // checks everything before the file is touched
  const fs::path partial = path.string() + ".partial";
  try {
    Output out(partial);
    out.write(front);
    for (const GgufTensorSource& tensor : tensors) write_tensor(tensor, out);
    out.finish();
    rename_durably(partial, path);
  } catch (...) {
    std::error_code ignored;
    fs::remove(partial, ignored);
    throw;
  }
}

}  // namespace grpo
