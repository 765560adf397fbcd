/// What a thread's tensors weigh, and what this process has sent: for tests of formulas.
#pragma once

#include <c10/core/Allocator.h>
#include <c10/util/ThreadLocalDebugInfo.h>

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <linux/tcp.h>
#include <memory>
#include <netinet/in.h>
#include <string>
#include <sys/socket.h>

namespace grpo::testing {

/// Bytes of tensor memory that the thread which made it has allocated and not freed.
class TensorLedger {
 public:
  TensorLedger() : book_(std::make_shared<Book>()), guard_(c10::DebugInfoKind::PROFILER_STATE, book_) {}
  [[nodiscard]] std::int64_t live() const { return book_->live; }
  [[nodiscard]] std::int64_t peak() const { return book_->peak; }
  void reset_peak() const { book_->peak = book_->live.load(); }

 private:
  struct Book final : c10::MemoryReportingInfoBase {
    void reportMemoryUsage(void* /*ptr*/, std::int64_t size, std::size_t /*allocated*/, std::size_t /*reserved*/,
                           c10::Device /*device*/) override {
      const std::int64_t now = live += size;
      if (now > peak) peak = now;
    }
    [[nodiscard]] bool memoryProfilingEnabled() const override { return true; }
    std::atomic<std::int64_t> live{0}, peak{0};
  };
  std::shared_ptr<Book> book_;
  c10::DebugInfoGuard guard_;
};

/// Bytes that the sockets which this process has open have sent.
inline std::uint64_t bytes_sent() {
  std::uint64_t sent = 0;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    tcp_info info{};
    socklen_t length = sizeof(info);
    const int fd = std::stoi(entry.path().filename().string());
    if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &length) == 0) sent += info.tcpi_bytes_acked;
  }
  return sent;
}

}  // namespace grpo::testing
