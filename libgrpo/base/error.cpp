#include "libgrpo/base/error.hpp"

namespace grpo {

std::string_view to_string(ErrorKind kind) noexcept {
  switch (kind) {
    case ErrorKind::recipe: return "recipe";
    case ErrorKind::data: return "data";
    case ErrorKind::backend: return "backend";
    case ErrorKind::contract: return "contract";
    case ErrorKind::numeric: return "numeric";
  }
  return "unknown";
}

int exit_code(ErrorKind kind) noexcept {
  switch (kind) {
    case ErrorKind::recipe: return 2;
    case ErrorKind::data: return 3;
    case ErrorKind::backend: return 4;
    case ErrorKind::numeric: return 5;
    case ErrorKind::contract: return 1;
  }
  return 1;
}

}  // namespace grpo
