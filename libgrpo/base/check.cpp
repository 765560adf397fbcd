#include "libgrpo/base/check.hpp"

#include <string_view>

namespace grpo::detail {

void check_failed(const char* file, int line, const std::string& what, const std::string& why) {
  std::string_view path(file);
  if (const auto at = path.rfind("libgrpo/"); at != std::string_view::npos) path.remove_prefix(at);
  std::ostringstream text;
  text << path << ':' << line << ": " << why << "; expected " << what;
  throw Error(ErrorKind::contract, text.str());
}

}  // namespace grpo::detail
