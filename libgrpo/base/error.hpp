/// One exception type for everything that can go wrong.
///
/// A message shows the offending value, where it came from (file:line, row, key) and what to do about it.
/// The library throws; only an app turns an Error into an exit code. c10::Error from libtorch passes through untouched.
#pragma once

#include <stdexcept>
#include <string>
#include <string_view>

namespace grpo {

enum class ErrorKind {
  recipe,    ///< an option, a recipe file or a command line is wrong
  data,      ///< a dataset, model file or checkpoint is missing, damaged or has the wrong content
  backend,   ///< a device, process, server or file system failed
  contract,  ///< a caller broke an interface's contract
  numeric,   ///< numbers left the finite range
};

class Error : public std::runtime_error {
 public:
  Error(ErrorKind kind, const std::string& message) : std::runtime_error(message), kind_(kind) {}
  [[nodiscard]] ErrorKind kind() const noexcept { return kind_; }

 private:
  ErrorKind kind_;
};

/// Spelling used in messages and logs: "recipe", "data", ...
std::string_view to_string(ErrorKind kind) noexcept;

/// Process exit code of an app that ends with this kind: recipe 2, data 3, backend 4, numeric 5, contract 1.
int exit_code(ErrorKind kind) noexcept;

/// Exit code of a run that a signal stopped after everything was saved; running the same command again continues it.
inline constexpr int kExitStoppedBySignal = 75;

}  // namespace grpo
