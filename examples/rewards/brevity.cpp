/// A reward in a shared library that a recipe names, without a build of libgrpo: this file and one header.
///
///     g++ -std=c++17 -O2 -shared -fPIC -I . examples/rewards/brevity.cpp -o libbrevity.so
///     grpo_train --reward_funcs brevity --reward_library '{"brevity": "./libbrevity.so"}' --reward_args '{"brevity": {"most": 20}}' ...
#include "libgrpo/reward/plugin.hpp"

#include <algorithm>
#include <charconv>
#include <stdexcept>

namespace {

/// The number behind "most" in the arguments. A larger plugin brings a JSON library of its own.
unsigned long most_tokens(std::string_view args) {
  const std::size_t at = args.find("\"most\":");
  if (at == std::string_view::npos) return 100;
  const std::string_view digits = args.substr(at + 7);
  unsigned long most = 0;
  std::from_chars(digits.data(), digits.data() + digits.size(), most);
  if (most == 0) throw std::invalid_argument("most must be a whole number above 0");
  return most;
}

/// 1 up to so many tokens, then falling as their share.
class Brevity {
 public:
  explicit Brevity(std::string_view args) : most_(most_tokens(args)) {}

  [[nodiscard]] grpo::plugin::Verdict score(const grpo::plugin::Item& item) const {
    if (item.completion.empty()) return grpo::plugin::Verdict::not_applicable();
    const double share = static_cast<double>(most_) / static_cast<double>(std::max<std::uint64_t>(item.tokens, 1));
    return grpo::plugin::Verdict::of(std::min(1.0, share), std::to_string(item.tokens) + " tokens");
  }

 private:
  unsigned long most_;
};

}  // namespace

GRPO_REWARD_PLUGIN(Brevity)
