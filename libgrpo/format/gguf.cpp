#include "libgrpo/format/gguf.hpp"

#include "libgrpo/base/check.hpp"
#include "libgrpo/format/ggml_types.hpp"
#include "libgrpo/format/gguf_part.hpp"
#include "libgrpo/format/show.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

namespace grpo {
namespace {

namespace fs = std::filesystem;
using detail::GgmlType;
using detail::GgufPart;
using detail::shown;

[[noreturn]] void refuse(const fs::path& path, std::string_view why) {
  throw Error{ErrorKind::data, fmt::format("{}: {}", path.string(), why)};
}

template <class T>
const T* get(const GgufMetadata& metadata, std::string_view key) {
  const auto found = metadata.find(key);
  return found == metadata.end() ? nullptr : std::get_if<T>(&found->second);
}

template <class T>
const T& require(const GgufFile& file, std::string_view key, std::string_view kind) {
  const T* value = get<T>(file.metadata(), key);
  if (value == nullptr) {
    refuse(file.path(), fmt::format("metadata key \"{}\" {}; the model may be of a kind that is not supported", shown(key),
                                    file.has(key) ? fmt::format("is not {}", kind) : fmt::format("({}) is missing", kind)));
  }
  return *value;
}

/// How many files a model was split into; 1 for one that was not.
std::int64_t parts_of(const GgufPart& part) {
  const auto* count = get<std::int64_t>(part.metadata, "split.count");
  return count == nullptr ? 1 : *count;
}

/// "model-00002-of-00003.gguf" -> model-00001-of-00003.gguf, ...; by the numbers alone, as llama.cpp names them.
std::vector<fs::path> part_paths(const fs::path& path, std::int64_t count) {
  constexpr std::size_t kDigits = 5, kTail = std::string_view("-00001-of-00001.gguf").size();
  const std::string name = path.filename().string();
  const std::string suffix = fmt::format("-of-{:05}.gguf", count);
  const std::size_t digits = name.size() - std::min(name.size(), kTail) + 1;
  if (name.size() < kTail || name.substr(digits + kDigits) != suffix || name[digits - 1] != '-' ||
      name.find_first_not_of("0123456789", digits) != digits + kDigits) {
    refuse(path, fmt::format("is one of {} parts of a split model, but is not called NAME-00001-of-{:05}.gguf or alike: the "
                             "other parts cannot be found; give all parts their names back",
                             count, count));
  }
  std::vector<fs::path> paths;
  for (std::int64_t i = 1; i <= count; ++i)
    paths.push_back(path.parent_path() / fmt::format("{}{:05}{}", name.substr(0, digits), i, suffix));
  return paths;
}

/// Part `index` of `count`, opened and held against what it says of itself.
GgufPart open_part(const fs::path& path, std::size_t index, std::int64_t count) {
  std::error_code code;
  if (!fs::exists(path, code))
    refuse(path, fmt::format("part {} of {} of the model is missing; all parts lie in one folder", index + 1, count));
  GgufPart part = detail::read_gguf_part(path);
  const auto* number = get<std::int64_t>(part.metadata, "split.no");
  if (parts_of(part) != count || number == nullptr || *number != static_cast<std::int64_t>(index)) {
    refuse(path, fmt::format("says it is part {} of {}, by its name it is part {} of {}; fetch the parts of one model again",
                             number == nullptr ? "?" : std::to_string(*number + 1), parts_of(part), index + 1, count));
  }
  return part;
}

}  // namespace

GgufFile::GgufFile(const fs::path& path) : path_(path) {
  GgufPart given = detail::read_gguf_part(path);
  const std::int64_t count = parts_of(given);
  if (count == 1) {
    adopt(std::move(given), path);
    return;
  }
  constexpr std::int64_t kMostParts = 99999;  // five digits
  if (count < 1 || count > kMostParts) refuse(path, fmt::format("split.count is {}, expected 1 to {}", count, kMostParts));
  const std::vector<fs::path> paths = part_paths(path, count);
  path_ = paths[0];
  for (std::size_t i = 0; i < paths.size(); ++i) adopt(open_part(paths[i], i, count), paths[i]);
  const auto* total = get<std::int64_t>(metadata_, "split.tensors.count");
  if (total != nullptr && *total != static_cast<std::int64_t>(tensors_.size()))
    refuse(path_, fmt::format("split.tensors.count is {}, but the {} parts hold {} tensors", *total, count, tensors_.size()));
}

/// The metadata of a model are those of its first part.
void GgufFile::adopt(detail::GgufPart&& part, const fs::path& path) {
  if (files_.empty()) metadata_ = std::move(part.metadata);
  files_.push_back(std::move(part.file));
  for (GgufTensor& tensor : part.tensors) {
    if (!index_.emplace(tensor.name, tensors_.size()).second)
      refuse(path, fmt::format("tensor \"{}\" is in another part, too", shown(tensor.name)));
    tensors_.push_back(std::move(tensor));
  }
}

bool GgufFile::has(std::string_view key) const { return metadata_.find(key) != metadata_.end(); }

std::int64_t GgufFile::integer(std::string_view key) const { return require<std::int64_t>(*this, key, "an integer"); }

double GgufFile::number(std::string_view key) const {
  if (const auto* whole = get<std::int64_t>(metadata_, key)) return static_cast<double>(*whole);
  return require<double>(*this, key, "a number");
}

const std::string& GgufFile::text(std::string_view key) const { return require<std::string>(*this, key, "a text"); }

const std::vector<std::string>& GgufFile::texts(std::string_view key) const {
  return require<std::vector<std::string>>(*this, key, "a list of texts");
}

const std::vector<std::int64_t>& GgufFile::integers(std::string_view key) const {
  return require<std::vector<std::int64_t>>(*this, key, "a list of integers");
}

const GgufTensor* GgufFile::find(std::string_view name) const {
  const auto found = index_.find(name);
  return found == index_.end() ? nullptr : &tensors_[found->second];
}

void GgufFile::dequantize(const GgufTensor& tensor, std::span<float> out) {
  const GgmlType* type = detail::find_ggml_type(tensor.type);
  GRPO_CHECK(type != nullptr, fmt::format("tensor {} has the unknown type {}", tensor.name, tensor.type));
  GRPO_CHECK_EQ(out.size(), tensor.data.size() / type->block_bytes * type->block_elements,
                fmt::format("out must have as many elements as tensor {}", tensor.name));
  dequantize(tensor, 0, out);
}

void GgufFile::dequantize(const GgufTensor& tensor, std::uint64_t begin, std::span<float> out) {
  const GgmlType* type = detail::find_ggml_type(tensor.type);
  GRPO_CHECK(type != nullptr, fmt::format("tensor {} has the unknown type {}", tensor.name, tensor.type));
  GRPO_CHECK_EQ(begin % detail::kLargestBlock, 0U, "a range starts at a block of any type");
  const std::uint64_t elements = tensor.data.size() / type->block_bytes * type->block_elements;
  GRPO_CHECK(begin <= elements && out.size() <= elements - begin,
             fmt::format("elements {} + {} lie outside tensor {} of {}", begin, out.size(), tensor.name, elements));
  const auto* in = reinterpret_cast<const std::uint8_t*>(tensor.data.data()) + begin / type->block_elements * type->block_bytes;
  const std::size_t whole = out.size() / type->block_elements;
  type->decode(in, whole, out.data());
  const std::size_t rest = out.size() % type->block_elements;
  if (rest > 0) {
    std::array<float, detail::kLargestBlock> last;
    type->decode(in + whole * type->block_bytes, 1, last.data());
    std::copy_n(last.begin(), rest, out.end() - static_cast<std::ptrdiff_t>(rest));
  }
}

}  // namespace grpo
