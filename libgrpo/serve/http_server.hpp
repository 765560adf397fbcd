/// The HTTP side of the service: sockets, limits and keys. cpp-httplib speaks HTTP; the reading and writing of sockets is our own,
/// because what a connection may cost has to be bounded: the bytes of its headers, and the time until a request is there.
#pragma once

#include "libgrpo/serve/service.hpp"

#include <cstdint>
#include <memory>
#include <string>

namespace grpo::serve {

struct HttpOptions {
  std::string host = "127.0.0.1";
  std::int64_t port = 8000;            ///< 0: any that is free
  std::string api_key;                 ///< empty: none is asked for
  std::int64_t max_connections = 256;  ///< served at once; further ones wait
  std::int64_t max_body_bytes = 32 << 20;
  std::int64_t request_seconds = 30;  ///< until a request is there, headers and body
};

class HttpServer {
 public:
  /// Binds. throws: Error{backend} if the port cannot be had
  HttpServer(const Service& service, HttpOptions options);
  ~HttpServer();

  [[nodiscard]] std::int64_t port() const;
  /// Serves on threads of its own.
  void start();
  /// Accepts nothing more; connections are closed as their answers end.
  void stop();
  /// Waits until the last connection is closed.
  void join();

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace grpo::serve
