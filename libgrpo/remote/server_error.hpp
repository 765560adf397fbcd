/// What can go wrong between a run and a generation server, and whether asking again may help.
#pragma once

#include <stdexcept>
#include <string>

namespace grpo::remote {

enum class Trouble {
  unreachable,  ///< no connection, or it broke
  late,         ///< no whole answer within the time allowed
  busy,         ///< 408, 429 or 503: it says itself that another attempt is welcome
  failed,       ///< another 5xx
  refused,      ///< another 4xx: the request itself is wrong, so a second attempt would fail alike
  unusable,     ///< an answer that is no JSON, or holds no usable completion
  stale,        ///< an answer by other weights than the run gave it
  damaged       ///< it loaded other bytes than those it was given
};

class ServerError : public std::runtime_error {
 public:
  /// `retry_after`: seconds that the server asked for; 0: it did not
  /// `status`: of the answer, where it is what is wrong
  ServerError(Trouble trouble, const std::string& message, double retry_after = 0.0, int status = 0)
      : std::runtime_error(message), trouble_(trouble), retry_after_(retry_after), status_(status) {}

  [[nodiscard]] Trouble trouble() const { return trouble_; }
  [[nodiscard]] double retry_after() const { return retry_after_; }
  [[nodiscard]] int status() const { return status_; }
  /// Whether the server itself is in doubt, and not just this answer.
  [[nodiscard]] bool blames_server() const {
    return trouble_ == Trouble::unreachable || trouble_ == Trouble::late || trouble_ == Trouble::failed || trouble_ == Trouble::stale ||
           trouble_ == Trouble::damaged;
  }

 private:
  Trouble trouble_;
  double retry_after_;
  int status_;
};

}  // namespace grpo::remote
