#include "libgrpo/base/error.hpp"
#include "libgrpo/format/safetensors.hpp"
#include "libgrpo/format/show.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <nlohmann/json.hpp>
#include <set>
#include <system_error>
#include <utility>

namespace grpo {
namespace {

using detail::joined;

constexpr std::size_t kChunkBytes = std::size_t{64} << 20;  // one write() takes at most 2 GiB
constexpr std::size_t kHeaderAlignment = 8;                 // so that mapped tensors of any dtype can be aligned

[[noreturn]] void contract(const std::filesystem::path& path, std::string_view what) {
  throw Error{ErrorKind::contract, fmt::format("writing {}: {}", path.string(), what)};
}

/// JSON text of a name; the format is UTF-8 throughout.
std::string quoted(const std::filesystem::path& path, std::string_view text) {
  try {
    return nlohmann::json(text).dump();
  } catch (const nlohmann::json::exception&) {
    contract(path, fmt::format("a name of {} bytes is not UTF-8", text.size()));
  }
}

/// Bytes that the shape and dtype demand.
std::size_t expected_bytes(const std::filesystem::path& path, const SafeTensor& tensor) {
  const std::size_t element_bytes = dtype_bytes(tensor.dtype);
  if (element_bytes == 0) contract(path, fmt::format("tensor {} has the unknown dtype {}", tensor.name, tensor.dtype));
  if (std::find(tensor.shape.begin(), tensor.shape.end(), 0) != tensor.shape.end()) return 0;
  std::size_t bytes = element_bytes;
  for (const std::int64_t extent : tensor.shape) {
    if (extent < 0 || __builtin_mul_overflow(bytes, static_cast<std::size_t>(extent), &bytes)) {
      contract(path, fmt::format("tensor {} has the impossible shape [{}]", tensor.name, joined(tensor.shape)));
    }
  }
  return bytes;
}

/// Length and JSON, padded with spaces.
std::string make_header(const std::filesystem::path& path, const std::vector<SafeTensor>& tensors,
                        const std::map<std::string, std::string>& metadata) {
  std::string json = "{";
  const auto comma = [&] { return json.size() > 1 ? "," : ""; };
  if (!metadata.empty()) {
    json += "\"__metadata__\":{";
    const char* separator = "";
    for (const auto& [key, value] : metadata) {
      json += fmt::format("{}{}:{}", separator, quoted(path, key), quoted(path, value));
      separator = ",";
    }
    json += "}";
  }
  std::set<std::string_view> names{"__metadata__"};
  std::size_t offset = 0;
  for (const SafeTensor& tensor : tensors) {
    if (!names.insert(tensor.name).second) contract(path, fmt::format("the tensor name {} is taken", tensor.name));
    const std::size_t bytes = expected_bytes(path, tensor);
    if (bytes != tensor.data.size()) {
      contract(path, fmt::format("tensor {} has {} bytes where shape [{}] of {} has {}", tensor.name, tensor.data.size(),
                                 joined(tensor.shape), tensor.dtype, bytes));
    }
    json += fmt::format(R"({}{}:{{"dtype":"{}","shape":[{}],"data_offsets":[{},{}]}})", comma(), quoted(path, tensor.name), tensor.dtype,
                        joined(tensor.shape), offset, offset + bytes);
    offset += bytes;
  }
  json += "}";
  json.append((kHeaderAlignment - json.size() % kHeaderAlignment) % kHeaderAlignment, ' ');

  const std::uint64_t length = json.size();
  std::string header(sizeof length, '\0');
  std::memcpy(header.data(), &length, sizeof length);
  return header + json;
}

class OutputFile {
 public:
  explicit OutputFile(const std::filesystem::path& path)
      : path_(path), fd_(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666)) {
    if (fd_ < 0) fail("cannot create", errno);
  }
  OutputFile(const OutputFile&) = delete;
  OutputFile& operator=(const OutputFile&) = delete;
  ~OutputFile() {
    if (fd_ >= 0) ::close(fd_);
  }

  void write(std::span<const std::byte> bytes) {
    while (!bytes.empty()) {
      const ::ssize_t count = ::write(fd_, bytes.data(), std::min(bytes.size(), kChunkBytes));
      if (count < 0) {
        if (errno == EINTR) continue;
        fail("cannot write", errno);
      }
      bytes = bytes.subspan(static_cast<std::size_t>(count));
      written_ += static_cast<std::uint64_t>(count);
    }
  }

  /// Only after this the bytes are known to be on disk: delayed errors surface in fsync, or in close on network disks.
  void finish() {
    if (::fsync(fd_) != 0 && errno != EINVAL) fail("cannot sync", errno);  // EINVAL: a pipe or device without sync
    if (::close(std::exchange(fd_, -1)) != 0) fail("cannot close", errno);
  }

 private:
  [[noreturn]] void fail(std::string_view action, int reason) {
    const std::string why = std::error_code(reason, std::generic_category()).message();
    const std::string advice = fd_ < 0 ? "check that the folder exists and may be written"
                                       : fmt::format("the file is incomplete after {} bytes, free space or choose another place", written_);
    throw Error{ErrorKind::backend, fmt::format("{}: {}: {}; {}", path_.string(), action, why, advice)};
  }

  const std::filesystem::path& path_;
  int fd_;
  std::uint64_t written_ = 0;
};

}  // namespace

void write_safetensors(const std::filesystem::path& path, const std::vector<SafeTensor>& tensors,
                       const std::map<std::string, std::string>& metadata) {
  const std::string header = make_header(path, tensors, metadata);  // checks everything before the file is touched
  OutputFile file{path};
  file.write(std::as_bytes(std::span{header}));
  for (const SafeTensor& tensor : tensors) file.write(tensor.data);
  file.finish();
}

}  // namespace grpo
