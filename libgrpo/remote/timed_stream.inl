/// A connected socket as cpp-httplib's Stream, all of it within one deadline. For http_client.cpp alone.

#include <httplib.h>

#include <poll.h>
#include <sys/socket.h>
#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>

namespace grpo::remote {

class TimedStream final : public httplib::Stream {
 public:
  using Clock = std::chrono::steady_clock;
  static constexpr std::size_t kMostHeaderBytes = 64 << 10;

  TimedStream(socket_t socket, Clock::time_point deadline) : socket_(socket), deadline_(deadline) {}

  /// What comes now is a body, which others bound.
  void headers_are_read() { in_headers_ = false; }

  [[nodiscard]] bool is_readable() const override { return begin_ < end_ || ready(POLLIN); }
  [[nodiscard]] bool is_writable() const override { return ready(POLLOUT); }
  ssize_t read(char* to, std::size_t size) override {
    if (begin_ == end_) {
      const ssize_t got = ready(POLLIN) ? recv(socket_, buffer_.data(), buffer_.size(), 0) : -1;
      if (got <= 0) return got;
      begin_ = 0;
      end_ = static_cast<std::size_t>(got);
    }
    const std::size_t count = std::min({size, end_ - begin_, in_headers_ ? header_bytes_ : size});
    if (count == 0 || Clock::now() >= deadline_) return -1;
    if (in_headers_) header_bytes_ -= count;
    std::copy_n(buffer_.data() + begin_, count, to);
    begin_ += count;
    return static_cast<ssize_t>(count);
  }
  ssize_t write(const char* from, std::size_t size) override {
    while (ready(POLLOUT)) {
      const ssize_t sent = send(socket_, from, size, MSG_NOSIGNAL);
      if (sent >= 0 || (errno != EAGAIN && errno != EINTR)) return sent;
    }
    return -1;
  }
  void get_remote_ip_and_port(std::string& /*ip*/, int& /*port*/) const override {}  // nothing here asks
  void get_local_ip_and_port(std::string& /*ip*/, int& /*port*/) const override {}
  [[nodiscard]] socket_t socket() const override { return socket_; }

 private:
  [[nodiscard]] bool ready(short what) const {
    while (true) {
      const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline_ - Clock::now()).count();
      pollfd one{socket_, what, 0};
      const int found = poll(&one, 1, static_cast<int>(std::max<std::int64_t>(0, left)));
      if (found > 0) return true;
      if (found == 0 || errno != EINTR) return false;
    }
  }

  const socket_t socket_;
  const Clock::time_point deadline_;
  std::array<char, 16384> buffer_{};
  std::size_t begin_ = 0, end_ = 0, header_bytes_ = kMostHeaderBytes;
  bool in_headers_ = true;
};

}  // namespace grpo::remote
