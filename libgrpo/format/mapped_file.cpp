#include "libgrpo/format/mapped_file.hpp"

#include "libgrpo/base/error.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <utility>

namespace grpo {
namespace {

[[noreturn]] void fail(const std::filesystem::path& path, std::string_view action, int reason) {
  throw Error{ErrorKind::data,
              fmt::format("{}: cannot {}: {}", path.string(), action, std::error_code(reason, std::generic_category()).message())};
}

/// Closes on every way out; a mapping outlives its descriptor.
struct Descriptor {
  int fd;
  ~Descriptor() {
    if (fd >= 0) ::close(fd);
  }
};

}  // namespace

MappedFile::MappedFile(const std::filesystem::path& path, MapAccess access) {
  // O_NONBLOCK: opening a named pipe that nobody writes to must fail below, not wait for ever.
  const Descriptor file{::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
  if (file.fd < 0) fail(path, "open", errno);
  struct stat info {};
  if (::fstat(file.fd, &info) != 0) fail(path, "read its size", errno);
  if (!S_ISREG(info.st_mode)) {
    throw Error{ErrorKind::data, fmt::format("{}: not a regular file{}", path.string(),
                                             S_ISDIR(info.st_mode) ? " but a folder; name a file inside it" : "")};
  }
  if (info.st_size == 0) return;  // mmap refuses length 0
  const auto size = static_cast<std::size_t>(info.st_size);
  const int protection = access == MapAccess::copy_on_write ? PROT_READ | PROT_WRITE : PROT_READ;
  void* address = ::mmap(nullptr, size, protection, MAP_PRIVATE, file.fd, 0);
  if (address == MAP_FAILED) fail(path, "map into memory", errno);
  data_ = static_cast<const std::byte*>(address);
  size_ = size;
}

MappedFile::MappedFile(MappedFile&& other) noexcept : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  return *this;
}

MappedFile::~MappedFile() {
  if (data_ != nullptr) ::munmap(const_cast<std::byte*>(data_), size_);
}

}  // namespace grpo
