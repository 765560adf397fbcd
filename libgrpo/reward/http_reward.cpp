// Rewards by a server: the completions of a group in one POST, within a limit of time and size.
#include "libgrpo/base/clock.hpp"
#include "libgrpo/base/error.hpp"
#include "libgrpo/config/value.hpp"
#include "libgrpo/reward/external.hpp"
#include "libgrpo/reward/patience.hpp"

#include <httplib.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <fmt/format.h>
#include <mutex>
#include <thread>
#include <utility>

namespace grpo::detail {
namespace {

constexpr std::size_t kLongestRequest = std::size_t{64} << 20;  // bytes
constexpr std::size_t kLongestReply = std::size_t{16} << 20;
constexpr double kPause = 0.2;  // seconds before the first retry

/// Breaks a request off at its deadline: httplib bounds each read, so a server that drips a byte at a time could go on for ever.
class Watchdog {
 public:
  Watchdog(httplib::Client& client, double seconds)
      : thread_([this, &client, seconds] {
          std::unique_lock lock(mutex_);
          while (!changed_.wait_for(lock, std::chrono::duration<double>(expired_ ? 0.05 : seconds), [this] { return done_; })) {
            expired_ = true;
            client.stop();  // again and again: the first may come before there is a socket
          }
        }) {}
  ~Watchdog() {
    {
      const std::lock_guard lock(mutex_);
      done_ = true;
    }
    changed_.notify_all();
    thread_.join();
  }
  Watchdog(const Watchdog&) = delete;
  Watchdog& operator=(const Watchdog&) = delete;
  [[nodiscard]] bool expired() const { return expired_; }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool done_ = false;
  std::atomic<bool> expired_ = false;
  std::thread thread_;
};

struct Url {
  std::string host, path;  ///< http://host:port, /path
};

Url parse_url(const std::string& name, const std::string& url) {
  const auto refuse = [&](const char* why) {
    throw Error(ErrorKind::recipe, fmt::format("reward_url: {} = {}: {}", show_text(name), show_text(url), why));
  };
  const std::size_t scheme = url.find("://");
  const std::string kind = scheme == std::string::npos ? "" : url.substr(0, scheme);
#ifdef CPPHTTPLIB_OPENSSL_SUPPORT
  if (kind != "http" && kind != "https") refuse("expected http://host:port/path or https://host:port/path");
#else
  if (kind != "http") refuse("expected http://host:port/path");
#endif
  const std::size_t slash = url.find('/', scheme + 3);
  Url parts{url.substr(0, slash), slash == std::string::npos ? "/" : url.substr(slash)};
  if (parts.host.size() == scheme + 3 || !httplib::Client(parts.host).is_valid()) refuse("it names no host");
  const std::size_t colon = parts.host.find_last_of(":]");  // [::1]:80
  if (colon != scheme && parts.host[colon] == ':' &&
      (colon + 1 == parts.host.size() || parts.host.find_first_not_of("0123456789", colon + 1) != std::string::npos))
    refuse("its port is no number");
  return parts;
}

class HttpReward final : public RewardFn {
 public:
  HttpReward(std::string name, const std::string& url, const RewardSettings& settings)
      : name_(std::move(name)), url_(parse_url(name_, url)), timeout_(settings.timeout), patience_(settings.timeout) {}

  [[nodiscard]] std::string_view name() const override { return name_; }
  [[nodiscard]] RetryRules retry_rules() const override { return {.by_completion = true, .pause = kPause}; }

  [[nodiscard]] std::vector<Reward> score(const Group& group) const override {
    const std::size_t count = group.completions.size();
    const std::uint64_t first = next_id_.fetch_add(count);
    std::string body = "{\"items\": [";
    for (std::size_t i = 0; i < count; ++i) body += (i == 0 ? "" : ", ") + item_json(first + i, group.prompt, group.completions[i]);
    body += "]}";
    if (body.size() > kLongestRequest)
      return std::vector<Reward>(
          count, Reward::failed(fmt::format("the request is {} bytes long, at most {} are sent", body.size(), kLongestRequest)));
    if (const auto why = patience_.lost()) return std::vector<Reward>(count, Reward::failed(*why));
    const Stopwatch clock;
    std::string reply;
    if (const std::string why = post(body, reply); !why.empty()) {
      patience_.failed(clock.seconds(), why);
      return std::vector<Reward>(count, Reward::failed(why));
    }
    patience_.answered();
    return read_answers(reply, first, count);
  }

 private:
  /// Why there is no reply; empty if there is one.
  [[nodiscard]] std::string post(const std::string& body, std::string& reply) const {
    httplib::Client client(url_.host);
    const auto limit = std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::duration<double>(timeout_));
    client.set_connection_timeout(limit);
    client.set_read_timeout(limit);
    client.set_write_timeout(limit);
    client.set_decompress(false);
    httplib::Request request;
    request.method = "POST";
    request.path = url_.path;
    request.set_header("Content-Type", "application/json");
    request.body = body;
    request.content_receiver = [&reply](const char* data, std::size_t size, std::uint64_t, std::uint64_t) {
      reply.append(data, size);
      return reply.size() <= kLongestReply;
    };
    const Stopwatch clock;
    const Watchdog watchdog(client, timeout_);
    const httplib::Result result = client.send(request);
    if (!result && (watchdog.expired() || clock.seconds() >= timeout_))
      return fmt::format("no reply from {}{} within {} s (reward_timeout)", url_.host, url_.path, timeout_);
    if (reply.size() > kLongestReply) return fmt::format("{}{} replied with more than {} bytes", url_.host, url_.path, kLongestReply);
    if (!result) return fmt::format("no reply from {}{}: {}", url_.host, url_.path, httplib::to_string(result.error()));
    if (result->status == 200) return {};
    return fmt::format("{}{} replied with status {}: {}", url_.host, url_.path, result->status, show_text(reply));
  }

  std::string name_;
  Url url_;
  double timeout_;
  mutable Patience patience_;
  mutable std::atomic<std::uint64_t> next_id_{1};
};

}  // namespace

std::unique_ptr<RewardFn> make_http_reward(std::string name, const std::string& url, const RewardSettings& settings) {
  return std::make_unique<HttpReward>(std::move(name), url, settings);
}

}  // namespace grpo::detail
