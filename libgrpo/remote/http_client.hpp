/// One HTTP request with a bound on everything: the time in all (a server that drips a byte a second included), the bytes of the
/// headers, and the bytes of the body, whatever Content-Length says and however well it unpacks. No redirects, no proxies.
#pragma once

#include "libgrpo/remote/server_error.hpp"

#include <cstddef>
#include <string>

namespace grpo::remote {

struct Address {
  std::string host;
  int port = 80;
  std::string prefix;  ///< in front of every path; empty, or "/some/where"
  [[nodiscard]] std::string url() const;
};

/// throws: Error{recipe} if it is no http:// address
Address parse_address(const std::string& url);

struct HttpCall {
  std::string method = "GET", path, body = {};
  double seconds = 10.0;            ///< from the connection to the last byte
  std::size_t max_bytes = 1 << 20;  ///< of the answer's body
  std::string api_key = {};         ///< sent as "Authorization: Bearer KEY"; empty: none
};

struct HttpAnswer {
  int status = 0;
  std::string body;
  double retry_after = 0.0;  ///< seconds; 0: the server does not say
};

/// Any status is an answer. thread: any   cost: a connection of its own
/// throws: ServerError{unreachable, late, unusable} naming the address
HttpAnswer request(const Address& server, const HttpCall& call);

/// The same, but a status other than 200 is an error with the server's own words.
/// throws: also ServerError{busy, failed, refused}
std::string request_ok(const Address& server, const HttpCall& call);

}  // namespace grpo::remote
