#include "libgrpo/serve/http_server.hpp"

#include "libgrpo/base/error.hpp"
#include "libgrpo/serve/api_error.hpp"
#include "libgrpo/serve/connection.inl"

#include <fmt/format.h>
#include <netinet/tcp.h>
#include <unistd.h>

namespace grpo::serve {
namespace {

constexpr int kBacklog = 512;  // httplib's own is 5: of many clients that connect at once most would wait for seconds

/// Takes as long for every key of the same length.
bool same_key(const std::string& a, const std::string& b) {
  unsigned different = a.size() == b.size() ? 0 : 1;
  for (std::size_t i = 0; i < a.size(); ++i)
    different |= static_cast<unsigned char>(a[i]) ^ static_cast<unsigned char>(b[b.empty() ? 0 : i % b.size()]);
  return different == 0;
}

void send(HttpReply reply, httplib::Response& response) {
  response.status = reply.status;
  for (const auto& [name, value] : reply.headers) response.set_header(name.c_str(), value.c_str());
  if (!reply.stream) return response.set_content(std::move(reply.body), reply.type.c_str());
  response.set_header("Cache-Control", "no-cache");
  response.set_chunked_content_provider(reply.type.c_str(), [stream = std::move(reply.stream)](std::size_t, httplib::DataSink& sink) {
    bool good = true;
    stream([&](const std::string& text) { return good = good && sink.write(text.data(), text.size()); });
    if (good) sink.done();
    return good;
  });
}

}  // namespace

class HttpServer::Impl final : public httplib::Server {
 public:
  Impl(const Service& service, HttpOptions options) : service_(service), options_(std::move(options)) {
    new_task_queue = [count = options_.max_connections] { return new httplib::ThreadPool(static_cast<std::size_t>(count)); };
    set_socket_options([](socket_t socket) {  // httplib's own would share the port with another server
      const int yes = 1;
      setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    });
    set_pre_routing_handler([this](const httplib::Request& request, httplib::Response& response) { return admit(request, response); });
    Get(".*", [this](const httplib::Request& request, httplib::Response& response) { answer(request, {}, response); });
    Post(".*", [this](const httplib::Request& request, httplib::Response& response, const httplib::ContentReader& reader) {
      post(request, response, reader);
    });
    // What httplib refuses by itself. A handler's own answer has a body already.
    set_error_handler([](const httplib::Request&, httplib::Response& response) {
      if (!response.body.empty()) return;
      send(error_reply(response.status, response.status == 404 ? "no such route" : "this is no HTTP request that can be served"), response);
    });
    bind();
  }

  ~Impl() override {
    halt();
    join();
  }

  [[nodiscard]] int port() const { return port_; }
  void start() {
    thread_ = std::thread([this] { listen_after_bind(); });
  }
  void halt() {
    stopping_ = true;
    stop();
  }
  void join() {
    if (thread_.joinable()) thread_.join();
  }

 private:
  void bind() {
    const bool any = options_.port == 0;
    port_ = any ? bind_to_any_port(options_.host.c_str()) : static_cast<int>(options_.port);
    if (port_ < 0 || (!any && !bind_to_port(options_.host.c_str(), port_)))
      throw Error(ErrorKind::backend, fmt::format("cannot listen on {} port {}; another program may have it: choose another --port",
                                                  options_.host, options_.port));
    ::listen(svr_sock_, kBacklog);
  }

  bool process_and_close_socket(socket_t socket) override {
    const int yes = 1;
    setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);  // tokens are small
    Connection connection(socket, std::chrono::seconds(options_.request_seconds), stopping_);
    Connection::current() = &connection;
    bool good = true, closed = false;
    while (good && !closed && !connection.closes() && connection.wait_for_request())
      good = process_request(connection, stopping_, closed, [&](httplib::Request&) { connection.headers_are_read(); });
    Connection::current() = nullptr;
    shutdown(socket, SHUT_RDWR);
    close(socket);
    return good;
  }

  /// Before a body is read.
  HandlerResponse admit(const httplib::Request& request, httplib::Response& response) const {
    const auto refuse = [&](int status, const std::string& why) {
      Connection::current()->close_after_reply();  // the body still lies in the socket
      response.set_header("Connection", "close");
      send(error_reply(status, why), response);
      return HandlerResponse::Handled;
    };
    const bool open = request.path == "/health" || request.path == "/health/";
    if (!options_.api_key.empty() && !open && !same_key("Bearer " + options_.api_key, request.get_header_value("Authorization")))
      return refuse(401, "this server wants its key: Authorization: Bearer KEY");
    if (const std::string length = request.get_header_value("Content-Length"); !length.empty()) {
      if (length.size() > 18 || length.find_first_not_of("0123456789") != std::string::npos)
        return refuse(length.find_first_not_of("0123456789") != std::string::npos ? 400 : 413,
                      "Content-Length is no size that can be served");
      if (std::stoll(length) > options_.max_body_bytes) return refuse(413, too_large());
    }
    if (request.is_multipart_form_data()) return refuse(415, "the body must be JSON");
    return HandlerResponse::Unhandled;
  }

  void post(const httplib::Request& request, httplib::Response& response, const httplib::ContentReader& reader) const {
    std::string body;
    bool fits = true;
    // Without one of these there is no body, and httplib would read until the client hangs up.
    if (request.has_header("Content-Length") || request.has_header("Transfer-Encoding")) {
      const bool whole = reader([&](const char* data, std::size_t size) {  // what is packed comes unpacked
        fits = body.size() + size <= static_cast<std::size_t>(options_.max_body_bytes);
        if (fits) body.append(data, size);
        return fits;
      });
      if (!whole) {
        Connection::current()->close_after_reply();
        response.set_header("Connection", "close");
        return fits ? send(error_reply(408, "the body did not come to its end in time"), response)
                    : send(error_reply(413, too_large()), response);
      }
    }
    answer(request, std::move(body), response);
  }

  void answer(const httplib::Request& from, std::string body, httplib::Response& response) const {
    HttpRequest request;
    request.method = from.method;
    request.path = from.path;
    request.body = std::move(body);
    for (const auto& [name, value] : from.params) request.query[name] = value;
    request.client = from.remote_addr;
    request.gone = [connection = Connection::current()] { return connection->gone(); };
    send(service_.handle(request), response);
  }

  [[nodiscard]] std::string too_large() const {
    return fmt::format("the body is larger than {} bytes; send several requests", options_.max_body_bytes);
  }

  const Service& service_;
  const HttpOptions options_;
  std::atomic<bool> stopping_{false};
  int port_ = -1;
  std::thread thread_;
};

HttpServer::HttpServer(const Service& service, HttpOptions options) : impl_(std::make_unique<Impl>(service, std::move(options))) {}
HttpServer::~HttpServer() = default;
std::int64_t HttpServer::port() const { return impl_->port(); }
void HttpServer::start() { impl_->start(); }
void HttpServer::stop() { impl_->halt(); }
void HttpServer::join() { impl_->join(); }

}  // namespace grpo::serve
