#include "libgrpo/base/files.hpp"

#include "libgrpo/base/error.hpp"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <fstream>
#include <system_error>
#include <unistd.h>

namespace grpo {
namespace {

[[noreturn]] void fail(const std::filesystem::path& path, const std::string& action, const std::string& reason) {
  throw Error(ErrorKind::backend, path.string() + ": cannot be " + action + ": " + reason);
}

}  // namespace

void sync_file(const std::filesystem::path& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) fail(path, "opened", std::strerror(errno));
  const int result = ::fsync(fd);
  const int reason = errno;
  ::close(fd);
  if (result != 0) fail(path, "flushed to disk", std::strerror(reason));
}

void write_file(const std::filesystem::path& path, const std::string& content) {
  const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (fd < 0) fail(path, "created", std::strerror(errno));
  std::size_t done = 0;
  while (done < content.size()) {
    const ssize_t count = ::write(fd, content.data() + done, content.size() - done);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) {
      const int reason = errno;
      ::close(fd);
      fail(path, "written", std::strerror(reason));
    }
    done += static_cast<std::size_t>(count);
  }
  const bool flushed = ::fsync(fd) == 0;
  const int reason = errno;
  ::close(fd);
  if (!flushed) fail(path, "flushed to disk", std::strerror(reason));
}

void make_folder(const std::filesystem::path& path) {
  std::error_code reason;
  std::filesystem::create_directories(path, reason);
  if (reason) fail(path, "created", reason.message());
}

void rename_durably(const std::filesystem::path& from, const std::filesystem::path& to) {
  std::error_code reason;
  std::filesystem::rename(from, to, reason);
  if (reason) fail(to, "put in place", reason.message());
  sync_file(to.parent_path().empty() ? "." : to.parent_path());
}

std::string read_file(const std::filesystem::path& path, std::uintmax_t max_bytes) {
  std::error_code reason;
  const std::uintmax_t size = std::filesystem::file_size(path, reason);
  if (reason) throw Error(ErrorKind::data, path.string() + ": cannot be read: " + reason.message());
  if (size > max_bytes)
    throw Error(ErrorKind::data,
                path.string() + ": " + std::to_string(size) + " bytes is too large, at most " + std::to_string(max_bytes) + " are read");
  std::ifstream in(path, std::ios::binary);
  std::string content(static_cast<std::size_t>(size), '\0');
  if (!in.read(content.data(), static_cast<std::streamsize>(size))) throw Error(ErrorKind::data, path.string() + ": cannot be read");
  return content;
}

}  // namespace grpo
