/// Which model this is, and which one it was made of.
#pragma once

#include "libgrpo/assemble/find_model.hpp"

#include <optional>
#include <string>

namespace grpo {

/// Changes when the model's files do: from their names, sizes and the first and last 64 KiB of each. 16 hexadecimal digits.
std::string model_digest(const ModelPlace& place);

/// The model that training began with: of adapters the one they are for, else the one that recipe.resolved.toml beside the weights names.
/// None if neither says, or if it is the model itself.
std::optional<std::string> untrained_model(const ModelPlace& place);

}  // namespace grpo
