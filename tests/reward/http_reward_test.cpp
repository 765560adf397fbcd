#include "libgrpo/base/clock.hpp"
#include "libgrpo/base/error.hpp"
#include "tests/reward/scratch_programs.hpp"

#include <arpa/inet.h>
#include <atomic>
#include <functional>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

namespace grpo {
namespace {

using Catch::Matchers::Contains;
using Json = nlohmann::json;
using testing::group_with;

/// A server on loopback that reads one request of a connection and then does as told: body and socket in.
class Server {
 public:
  using Answer = std::function<void(const std::string& body, int socket)>;
  explicit Server(Answer answer) : answer_(std::move(answer)), socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    REQUIRE(::bind(socket_, reinterpret_cast<sockaddr*>(&address), size) == 0);
    REQUIRE(::listen(socket_, 64) == 0);
    ::getsockname(socket_, reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] { serve(); });
  }
  ~Server() {
    stopping_ = true;
    thread_.join();
    for (std::thread& thread : connections_) thread.join();
    ::close(socket_);
  }
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;
  [[nodiscard]] std::string url() const { return "http://127.0.0.1:" + std::to_string(port_) + "/score"; }
  [[nodiscard]] int requests() const { return requests_; }
  [[nodiscard]] bool stopping() const { return stopping_; }

  static void send(int socket, const std::string& text) { static_cast<void>(::send(socket, text.data(), text.size(), MSG_NOSIGNAL)); }
  static void reply(int socket, const std::string& body, const std::string& status = "200 OK") {
    send(socket, "HTTP/1.1 " + status + "\r\nContent-Length: " + std::to_string(body.size()) + "\r\nConnection: close\r\n\r\n" + body);
  }

 private:
  void serve() {
    while (!stopping_) {
      pollfd waits{socket_, POLLIN, 0};
      if (::poll(&waits, 1, 20) <= 0) continue;
      const int connection = ::accept4(socket_, nullptr, nullptr, SOCK_CLOEXEC);
      connections_.emplace_back([this, connection] {
        answer_(read(connection), connection);
        ::close(connection);
      });
    }
  }
  std::string read(int connection) {
    std::string text(1, '\0');
    text.clear();
    std::size_t body = std::string::npos, length = 0;
    char bytes[65536];
    while (body == std::string::npos || text.size() < body + length) {
      const ssize_t got = ::recv(connection, bytes, sizeof bytes, 0);
      if (got <= 0) break;
      text.append(bytes, static_cast<std::size_t>(got));
      if (body != std::string::npos || text.find("\r\n\r\n") == std::string::npos) continue;
      body = text.find("\r\n\r\n") + 4;
      length = std::stoul(text.substr(text.find("Content-Length:") + 15));
    }
    ++requests_;
    return body == std::string::npos ? "" : text.substr(body);
  }

  Answer answer_;
  int socket_;
  int port_ = 0;
  std::atomic<bool> stopping_ = false;
  std::atomic<int> requests_ = 0;
  std::vector<std::thread> connections_;
  std::thread thread_;
};

RewardSettings url_settings(const std::string& url, double timeout = 5.0, std::int64_t retries = 0) {
  RewardSettings settings;
  settings.urls = Json{{"judge", url}}.dump();
  settings.timeout = timeout;
  settings.retries = retries;
  return settings;
}

std::vector<Reward> judge(const RewardSettings& settings, const Group& group) {
  return RewardSet({"judge"}, {}, settings).score({group}).columns.at(0).rewards;
}

/// Verdicts by the length of the completion, in the opposite order.
std::string verdicts(const std::string& body) {
  Json list = Json::array();
  const Json items = Json::parse(body).at("items");
  for (const Json& item : items) {
    const std::string text = item.at("completion");
    list.insert(list.begin(), text == "bad" ? Json{{"id", item["id"]}, {"error", "no such planet"}}
                                            : Json{{"id", item["id"]}, {"reward", text.size()}, {"reason", item.at("solution")}});
  }
  return Json{{"verdicts", list}}.dump();
}

TEST_CASE("a server judges the completions of a group in one request") {
  Server server([](const std::string& body, int socket) { Server::reply(socket, verdicts(body)); });
  const RewardSet rewards({"judge"}, {}, url_settings(server.url()));
  const auto r = rewards.score({group_with({"a", "bad", "abc"}), group_with({"ab"})}).columns.at(0).rewards;
  REQUIRE(r.size() == 4);
  CHECK(r[0].value() == 1.0);
  CHECK(r[0].reason() == "72");
  CHECK(r[1].why() == "no such planet");
  CHECK(r[2].value() == 3.0);
  CHECK(r[3].value() == 2.0);
  CHECK(server.requests() == 2);
}

TEST_CASE("a request that fails is made again, later, for what failed alone") {
  std::atomic<int> calls = 0;
  Server server([&calls](const std::string& body, int socket) {
    const int call = calls++;
    if (call == 0) return Server::reply(socket, "busy", "503 Service Unavailable");
    if (call == 1) {  // one of the two
      const Json items = Json::parse(body).at("items");
      return Server::reply(socket, Json{{"verdicts", {{{"id", items[0]["id"]}, {"reward", 7}}}}}.dump());
    }
    CHECK(Json::parse(body).at("items").size() == 1);
    Server::reply(socket, verdicts(body));
  });
  const Stopwatch clock;
  const auto r = judge(url_settings(server.url(), 5.0, 2), group_with({"a", "abc"}));
  CHECK(r[0].value() == 7.0);
  CHECK(r[1].value() == 3.0);
  CHECK(calls == 3);
  CHECK(clock.seconds() > 0.55);  // 0.2 and 0.4
}

TEST_CASE("whatever a server does, the verdict is failed, with the reason, within the limit") {
  struct Case {
    std::function<void(int)> answer;
    const char* why;
  };
  std::atomic<bool> stop = false;
  const auto wait = [&stop] {
    while (!stop) std::this_thread::sleep_for(std::chrono::milliseconds(10));
  };
  const std::vector<Case> cases = {
      {[](int s) { Server::reply(s, "no", "500 Internal Server Error"); }, "status 500: no"},
      {[](int s) { Server::reply(s, "\xFF{"); }, "answered no {\"verdicts\""},
      {[](int s) { Server::reply(s, "[1, 2]"); }, "answered no {\"verdicts\""},
      {[](int s) { Server::reply(s, R"({"verdicts": [{"id": -1, "reward": 1}, {"reward": 1}, 3, {"id": 77, "reward": 1}]})"); },
       "without a verdict of this id"},
      {[](int s) { Server::reply(s, R"({"verdicts": [{"id": 1, "reward": 1}, {"id": 1, "reward": 2}]})"); }, "answered twice"},
      {[](int s) { Server::reply(s, R"({"verdicts": [{"id": 1}]})"); }, "without a \"reward\""},
      {[](int s) { Server::reply(s, std::string(20000000, ' ')); }, "more than 16777216 bytes"},
      {[](int s) { Server::send(s, "nonsense\r\n\r\n"); }, "no reply"},
      {[](int) {}, "no reply"},
      {[&](int) { wait(); }, "within 0.5 s (reward_timeout)"},
      {[&](int s) {
         for (Server::send(s, "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n"); !stop;
              std::this_thread::sleep_for(std::chrono::milliseconds(20)))
           Server::send(s, " ");
       },
       "within 0.5 s (reward_timeout)"},
      {[&](int s) {
         for (Server::send(s, "HTTP/1.1 200 OK\r\nX: "); !stop; std::this_thread::sleep_for(std::chrono::milliseconds(20)))
           Server::send(s, "x");
       },
       "within 0.5 s (reward_timeout)"},
  };
  for (std::size_t i = 0; i < cases.size(); ++i) {
    INFO("case " << i);
    stop = false;
    Server server([&](const std::string&, int socket) { cases[i].answer(socket); });
    const Stopwatch clock;
    const auto r = judge(url_settings(server.url(), 0.5), group_with({"a"}));
    CHECK(clock.seconds() < 5.0);
    stop = true;
    REQUIRE(r.size() == 1);
    CHECK(r[0].is_failed());
    CHECK_THAT(r[0].why(), Contains(cases[i].why));
  }
  CHECK_THAT(judge(url_settings("http://127.0.0.1:1/", 0.5), group_with({"a"}))[0].why(), Contains("no reply from http://127.0.0.1:1/"));
}

TEST_CASE("a wrong url is a mistake of the recipe") {
  for (const char* url : {"127.0.0.1:80", "ftp://a/", "http://", "http:///x", "http://a:b/x"}) {
    INFO(url);
    CHECK_THROWS_WITH(RewardSet({"judge"}, {}, url_settings(url)), Contains("reward_url: judge = " + std::string(url)));
  }
}

}  // namespace
}  // namespace grpo
