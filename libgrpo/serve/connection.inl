/// One client's socket as cpp-httplib's Stream, with bounds. For http_server.cpp alone.

#include <httplib.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <poll.h>
#include <string>
#include <sys/socket.h>

namespace grpo::serve {

class Connection final : public httplib::Stream {
 public:
  using Clock = std::chrono::steady_clock;
  static constexpr std::size_t kMostHeaderBytes = 64 << 10;
  static constexpr std::chrono::seconds kWriteTime{30}, kIdleTime{15};

  Connection(int socket, std::chrono::seconds request_time, const std::atomic<bool>& stopping)
      : socket_(socket), request_time_(request_time), stopping_(stopping) {}

  /// The one that this thread serves.
  static Connection*& current() {
    static thread_local Connection* connection = nullptr;
    return connection;
  }

  /// Waits for the first byte of a request. False if there is none for long, or at a shutdown.
  bool wait_for_request() {
    const auto deadline = Clock::now() + std::min<std::chrono::seconds>(kIdleTime, request_time_);
    while (begin_ == end_) {
      if (stopping_ || Clock::now() >= deadline) return false;
      if (ready(POLLIN, Clock::now() + std::chrono::milliseconds(100))) break;
    }
    deadline_ = Clock::now() + request_time_;
    header_bytes_ = kMostHeaderBytes;
    in_headers_ = true;
    return true;
  }
  /// What comes now is a body, which others bound.
  void headers_are_read() { in_headers_ = false; }
  void close_after_reply() { closes_ = true; }
  [[nodiscard]] bool closes() const { return closes_; }
  /// Whether the client has left. One that only closed its sending side counts too.
  [[nodiscard]] bool gone() const {
    char byte;
    const ssize_t got = recv(socket_, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    return got == 0 || (got < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR);
  }

  [[nodiscard]] bool is_readable() const override { return begin_ < end_ || ready(POLLIN, deadline_); }
  [[nodiscard]] bool is_writable() const override { return ready(POLLOUT, Clock::now() + kWriteTime); }
  ssize_t read(char* to, std::size_t size) override {
    if (begin_ == end_ && !fill()) return -1;
    const std::size_t count = std::min({size, end_ - begin_, in_headers_ ? header_bytes_ : size});
    if (count == 0) return -1;  // headers without end
    if (in_headers_) header_bytes_ -= count;
    std::copy_n(buffer_.data() + begin_, count, to);
    begin_ += count;
    return static_cast<ssize_t>(count);
  }
  ssize_t write(const char* from, std::size_t size) override {
    while (is_writable()) {
      const ssize_t sent = send(socket_, from, size, MSG_NOSIGNAL);
      if (sent >= 0 || (errno != EAGAIN && errno != EINTR)) return sent;
    }
    return -1;
  }
  void get_remote_ip_and_port(std::string& ip, int& port) const override { name(getpeername, ip, port); }
  void get_local_ip_and_port(std::string& ip, int& port) const override { name(getsockname, ip, port); }
  [[nodiscard]] socket_t socket() const override { return socket_; }

 private:
  [[nodiscard]] bool ready(short what, Clock::time_point deadline) const {
    while (true) {
      const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now()).count();
      pollfd one{socket_, what, 0};
      const int found = poll(&one, 1, static_cast<int>(std::max<std::int64_t>(0, left)));
      if (found > 0) return true;
      if (found == 0 || errno != EINTR) return false;
    }
  }
  bool fill() {
    if (!ready(POLLIN, deadline_)) return false;
    const ssize_t got = recv(socket_, buffer_.data(), buffer_.size(), 0);
    if (got <= 0) return false;
    begin_ = 0;
    end_ = static_cast<std::size_t>(got);
    return true;
  }
  template <class Ask>
  void name(Ask ask, std::string& ip, int& port) const {
    sockaddr_storage address{};
    socklen_t length = sizeof address;
    std::array<char, NI_MAXHOST> host{};
    std::array<char, NI_MAXSERV> service{};
    auto* any = reinterpret_cast<sockaddr*>(&address);
    if (ask(socket_, any, &length) != 0) return;
    if (getnameinfo(any, length, host.data(), host.size(), service.data(), service.size(), NI_NUMERICHOST | NI_NUMERICSERV) != 0) return;
    ip = host.data();
    port = std::atoi(service.data());
  }

  const int socket_;
  const std::chrono::seconds request_time_;
  const std::atomic<bool>& stopping_;
  std::array<char, 16384> buffer_{};
  std::size_t begin_ = 0, end_ = 0, header_bytes_ = 0;
  bool in_headers_ = true, closes_ = false;
  Clock::time_point deadline_ = {};
};

}  // namespace grpo::serve
