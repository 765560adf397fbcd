/// Options of TRL, transformers, open-r1 and maxent-grpo recipes that have no meaning here.
///
/// Such a key never stops a run: it is accepted with one line that says so. A key that would change the mathematics of
/// training is accepted only with the value that changes nothing (`gen_best_of: 1`), and is an error otherwise.
#pragma once

#include "libgrpo/config/value.hpp"

#include <optional>
#include <string>

namespace grpo {

struct KnownKeyVerdict {
  std::string note;     ///< what to tell the user, without the key's name; empty: nothing to tell
  std::string error;    ///< why this value cannot be accepted; empty if it can
  bool secret = false;  ///< the value must not be shown
};

/// The verdict on a key that is no option of ours; nullopt if nobody knows the key.
std::optional<KnownKeyVerdict> judge_known_key(const std::string& name, const Value& value);

}  // namespace grpo
