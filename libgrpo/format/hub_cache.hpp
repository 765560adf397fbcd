/// Where Hugging Face's tools keep what they downloaded, so that a repository id names a folder on this machine.
///
///     <cache>/models--org--name/refs/main            holds a commit
///     <cache>/models--org--name/snapshots/<commit>/  its files
///
/// <cache> is $HF_HUB_CACHE, else $HF_HOME/hub, else $XDG_CACHE_HOME/huggingface/hub, else ~/.cache/huggingface/hub.
/// Source: the documentation of huggingface_hub, "Understand caching". Not here: downloading.
#pragma once

#include "libgrpo/base/repo_id.hpp"

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

namespace grpo {

enum class HubRepo { model, dataset };

/// Empty if neither the variables nor HOME are set.
std::filesystem::path hub_cache_folder();

/// Whether the user asked not to be connected: HF_HUB_OFFLINE or TRANSFORMERS_OFFLINE is 1, true, yes or on.
bool hub_is_offline();

/// The snapshot of a revision: a branch, a tag, or a commit (its first letters will do). A file in it may still be missing if a
/// download was cut off. cost: a few file lookups
std::optional<std::filesystem::path> find_in_hub_cache(HubRepo kind, std::string_view id, std::string_view revision);

}  // namespace grpo
