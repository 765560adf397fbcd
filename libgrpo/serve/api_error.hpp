/// What a client is told when its request cannot be served: an HTTP status, and an error in OpenAI's format that names the field.
#pragma once

#include <stdexcept>
#include <string>

namespace grpo::serve {

class ApiError : public std::runtime_error {
 public:
  /// `param`: the field that is wrong, or empty.
  ApiError(int status, const std::string& message, std::string param = {})
      : std::runtime_error(message), status_(status), param_(std::move(param)) {}

  [[nodiscard]] int status() const { return status_; }
  [[nodiscard]] const std::string& param() const { return param_; }

 private:
  int status_;
  std::string param_;
};

}  // namespace grpo::serve
