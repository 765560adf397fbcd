#include "libgrpo/remote/http_client.hpp"

#include "libgrpo/base/error.hpp"
#include "libgrpo/remote/timed_stream.inl"

#include <fmt/format.h>
#include <charconv>
#include <cmath>
#include <nlohmann/json.hpp>

namespace grpo::remote {
namespace {

using Clock = TimedStream::Clock;

Clock::time_point after(double seconds) {
  return Clock::now() + std::chrono::milliseconds(static_cast<std::int64_t>(std::ceil(seconds * 1000.0)));
}

class TimedClient final : public httplib::ClientImpl {
 public:
  TimedClient(const Address& server, double seconds) : ClientImpl(server.host, server.port), deadline_(after(seconds)) {
    const auto whole = static_cast<time_t>(seconds);
    set_connection_timeout(whole, static_cast<time_t>((seconds - static_cast<double>(whole)) * 1e6));
    set_tcp_nodelay(true);
    set_keep_alive(false);
    set_follow_location(false);
  }

  void headers_are_read() { stream_->headers_are_read(); }
  [[nodiscard]] bool is_late() const { return Clock::now() >= deadline_; }

 private:
  bool process_socket(const Socket& socket, std::function<bool(httplib::Stream&)> callback) override {
    TimedStream stream(socket.sock, deadline_);
    stream_ = &stream;
    const bool good = callback(stream);
    stream_ = nullptr;
    return good;
  }

  const Clock::time_point deadline_;
  TimedStream* stream_ = nullptr;  // of the request under way
};

/// Seconds of a Retry-After header; dates are not read.
double retry_after(const httplib::Response& response) {
  const std::string text = response.get_header_value("Retry-After");
  double seconds = 0.0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  return code == std::errc() && end == text.data() + text.size() && seconds > 0.0 ? std::min(seconds, 60.0) : 0.0;
}

/// Whether Content-Length is absent, or a size that is allowed.
bool fits(const httplib::Response& response, std::size_t max_bytes) {
  if (!response.has_header("Content-Length")) return true;
  const std::string text = response.get_header_value("Content-Length");
  std::size_t length = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), length);
  return code == std::errc() && end == text.data() + text.size() && length <= max_bytes;
}

/// What an error answer says, of vLLM's and OpenAI's forms; else the beginning of its body.
std::string words_of(const std::string& body) {
  const auto json = nlohmann::json::parse(body, nullptr, false);
  for (const char* place : {"/error/message", "/message", "/detail"}) {
    const nlohmann::json::json_pointer pointer(place);
    if (json.is_object() && json.contains(pointer) && json[pointer].is_string()) return json[pointer].get<std::string>().substr(0, 500);
  }
  return body.substr(0, 200);
}

}  // namespace

std::string Address::url() const { return fmt::format("http://{}:{}{}", host, port, prefix); }

Address parse_address(const std::string& url) {
  constexpr std::string_view kScheme = "http://";
  const auto refuse = [&] {
    return Error(ErrorKind::recipe, fmt::format("\"{}\" is no address of a server; expected one such as http://127.0.0.1:8000", url));
  };
  if (!url.starts_with(kScheme)) throw refuse();
  std::string rest = url.substr(kScheme.size());
  Address address;
  if (const auto slash = rest.find('/'); slash != std::string::npos) {
    address.prefix = rest.substr(slash);
    rest.resize(slash);
  }
  while (address.prefix.ends_with('/')) address.prefix.pop_back();
  const auto colon = rest.find(':');
  address.host = rest.substr(0, colon);
  if (colon != std::string::npos) {
    const auto [end, code] = std::from_chars(rest.data() + colon + 1, rest.data() + rest.size(), address.port);
    if (code != std::errc() || end != rest.data() + rest.size() || address.port < 1 || address.port > 65535) throw refuse();
  }
  if (address.host.empty()) throw refuse();
  return address;
}

HttpAnswer request(const Address& server, const HttpCall& call) {
  const std::string what = fmt::format("{} {}{}", call.method, server.url(), call.path);
  TimedClient client(server, call.seconds);
  httplib::Request request;
  request.method = call.method;
  request.path = server.prefix + call.path;
  request.body = call.body;
  if (!call.body.empty()) request.set_header("Content-Type", "application/json");
  if (!call.api_key.empty()) request.set_header("Authorization", "Bearer " + call.api_key);
  HttpAnswer answer;
  bool too_large = false;
  request.response_handler = [&](const httplib::Response& response) {
    client.headers_are_read();
    answer.status = response.status;
    answer.retry_after = retry_after(response);
    too_large = !fits(response, call.max_bytes);
    return !too_large;
  };
  request.content_receiver = [&](const char* data, std::size_t size, std::uint64_t, std::uint64_t) {
    too_large = answer.body.size() + size > call.max_bytes;
    if (!too_large) answer.body.append(data, size);
    return !too_large;
  };
  httplib::Response response;
  auto error = httplib::Error::Success;
  const bool whole = client.send(request, response, error);
  if (too_large)
    throw ServerError(Trouble::unusable, fmt::format("{}: the answer is larger than the {} bytes it could need", what, call.max_bytes));
  if (whole && answer.status != 0) return answer;
  if (client.is_late()) throw ServerError(Trouble::late, fmt::format("{}: no whole answer within {} seconds", what, call.seconds));
  throw ServerError(Trouble::unreachable,
                    fmt::format("{}: {} ({})", what, answer.status == 0 ? "no answer" : "the answer broke off", to_string(error)));
}

std::string request_ok(const Address& server, const HttpCall& call) {
  HttpAnswer answer = request(server, call);
  if (answer.status == 200) return std::move(answer.body);
  const auto trouble = answer.status == 408 || answer.status == 429 || answer.status == 503 ? Trouble::busy
                       : answer.status >= 500                                               ? Trouble::failed
                                                                                            : Trouble::refused;
  throw ServerError(trouble,
                    fmt::format("{} {}{}: status {}: {}", call.method, server.url(), call.path, answer.status, words_of(answer.body)),
                    answer.retry_after, answer.status);
}

}  // namespace grpo::remote
