/// The state of one for loop, which templates see as `loop`.
#pragma once

#include "libgrpo/text/jinja_value.hpp"

#include <functional>
#include <optional>
#include <utility>
#include <vector>

namespace grpo::jinja {

/// Items are drawn one ahead at most, and only if the body asks for the next one: the loop's own `if` may depend on
/// what the body did.
struct LoopData {
  Items source;
  std::function<bool(const Value&)> accept;        ///< the loop's `if`; empty: all
  int depth = 1;                                   ///< of the data in it
  int level = 1;                                   ///< 1, or how deep a recursive loop is in itself
  std::function<std::string(const Value&)> again;  ///< a recursive loop over other items; empty: not one

  std::size_t drawn = 0;       ///< items of `source` already seen
  std::vector<Value> ahead;    ///< accepted but not yet current, in order
  std::size_t ahead_next = 0;  ///< first of `ahead` still to come
  std::int64_t index0 = -1;
  Value previous, current;
  std::optional<Value> last_changed;  ///< arguments of the last loop.changed()
  bool finished = false;

  /// Makes the next item current. false at the end
  bool advance() {
    if (!peek()) return false;
    previous = std::move(current);
    current = ahead[ahead_next++];
    ++index0;
    return true;
  }
  /// nullptr at the end
  const Value* peek() {
    if (ahead_next < ahead.size()) return &ahead[ahead_next];
    ahead.clear();
    ahead_next = 0;
    return draw() ? &ahead[0] : nullptr;
  }
  [[nodiscard]] std::int64_t length() {
    while (draw()) continue;
    return index0 + 1 + static_cast<std::int64_t>(ahead.size() - ahead_next);
  }

 private:
  bool draw() {
    while (drawn < source.size()) {
      const Value& item = source[drawn++];
      if (accept && !accept(item)) continue;
      ahead.push_back(item);
      return true;
    }
    return false;
  }
};

}  // namespace grpo::jinja
