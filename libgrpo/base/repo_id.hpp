/// Names of repositories on the Hugging Face Hub.
#pragma once

#include <string_view>

namespace grpo {

/// "name" or "org/name" as the Hub allows them: letters, digits, '.', '_' and '-', no ".." or "--", not at either end.
bool is_repo_id(std::string_view text);

}  // namespace grpo
