// Faults of the machine, put before libc by LD_PRELOAD in tests/torture/drill.py. What it does is said in the environment:
//   TORTURE_CLOCK=1                  the wall clock jumps by up to a hundred hours, back and forth; steady clocks go on
//   TORTURE_NOSPC=TEXT:BYTES:TIMES   the disk is full after BYTES bytes of a file whose path has TEXT in it, for so many files
#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <ctime>
#include <dlfcn.h>
#include <mutex>
#include <string>
#include <sys/time.h>
#include <unistd.h>

namespace {

template <class Function>
Function* next(const char* name) {
  return reinterpret_cast<Function*>(dlsym(RTLD_NEXT, name));
}

/// Seconds that the wall clock is off by: another number at every third question.
long jump() {
  static const bool wanted = std::getenv("TORTURE_CLOCK") != nullptr;
  static std::atomic<long> questions{0};
  return wanted ? (questions++ / 3 * 7919 % 20001 - 10000) * 36 : 0;
}

struct Full {
  std::string text;
  long bytes = 0, times = 0;
  Full() {
    const char* said = std::getenv("TORTURE_NOSPC");
    if (said == nullptr) return;
    const std::string all = said;
    const auto first = all.find(':'), second = all.find(':', first + 1);
    text = all.substr(0, first);
    bytes = std::atol(all.c_str() + first + 1);
    times = std::atol(all.c_str() + second + 1);
  }
};

bool is_of(int file, const std::string& text) {
  char path[4096];
  const auto length = readlink(("/proc/self/fd/" + std::to_string(file)).c_str(), path, sizeof path);
  return length > 0 && std::string(path, static_cast<std::size_t>(length)).find(text) != std::string::npos;
}

}  // namespace

extern "C" int clock_gettime(clockid_t clock, timespec* now) {
  static auto* real = next<int(clockid_t, timespec*)>("clock_gettime");
  const int result = real(clock, now);
  if (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE) now->tv_sec += jump();
  return result;
}

extern "C" int gettimeofday(timeval* now, void* zone) {
  static auto* real = next<int(timeval*, void*)>("gettimeofday");
  const int result = real(now, zone);
  now->tv_sec += jump();
  return result;
}

extern "C" time_t time(time_t* out) {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  if (out != nullptr) *out = now.tv_sec;
  return now.tv_sec;
}

extern "C" ssize_t write(int file, const void* data, size_t count) {
  static auto* real = next<ssize_t(int, const void*, size_t)>("write");
  static Full full;
  static std::mutex mutex;
  if (full.text.empty()) return real(file, data, count);
  const std::lock_guard lock(mutex);
  if (full.times == 0 || !is_of(file, full.text)) return real(file, data, count);
  const long room = full.bytes - static_cast<long>(lseek(file, 0, SEEK_CUR));
  if (room > 0) return real(file, data, std::min<size_t>(count, static_cast<size_t>(room)));
  --full.times;
  errno = ENOSPC;
  return -1;
}
