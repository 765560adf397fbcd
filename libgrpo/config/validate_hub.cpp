#include "libgrpo/base/repo_id.hpp"
#include "libgrpo/config/checks.hpp"
#include "libgrpo/config/hub_target.hpp"

#include <string_view>

namespace grpo {
namespace {

bool is_branch(std::string_view branch) {
  return !branch.empty() && branch.size() <= 200 && branch.front() != '-' && branch.front() != '/' &&
         branch.find_first_of(" \t\r\n~^:?*[\\\"'") == std::string_view::npos && branch.find("..") == std::string_view::npos;
}

/// The last part of a path, without slashes at its end.
std::string last_part(std::string path) {
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  return path.substr(path.rfind('/') + 1);
}

}  // namespace

std::string hub_repo(const Recipe& recipe) { return recipe.hub.hub_model_id.value_or(last_part(recipe.run.output_dir)); }

void check_hub(const Recipe& recipe, Problems& problems) {
  const HubOptions& hub = recipe.hub;
  if (hub.hub_model_id && !is_repo_id(*hub.hub_model_id))
    problems.push_back({{"hub_model_id"}, "expected organization/name or name, of letters, digits, '.', '_' and '-'"});
  if (!is_branch(hub.hub_model_revision)) problems.push_back({{"hub_model_revision"}, "is no name of a branch"});
  const bool uploads = hub.push_to_hub || hub.push_to_hub_revision;
  if (uploads && !hub.hub_model_id && !is_repo_id(hub_repo(recipe)))
    problems.push_back({{"hub_model_id", "output_dir"}, "is missing, and the last part of output_dir is no name of a repository"});
  if (hub.push_to_hub_revision && !hub.overwrite_hub_revision && hub_repo(recipe).find('/') == std::string::npos)
    problems.push_back({{"hub_model_id", "push_to_hub_revision"},
                        "give organization/name: with a name alone nobody can ask whether the branch holds a model; or set "
                        "overwrite_hub_revision"});
}

}  // namespace grpo
