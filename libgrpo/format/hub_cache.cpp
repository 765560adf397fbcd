#include "libgrpo/format/hub_cache.hpp"

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <initializer_list>

namespace grpo {
namespace {

namespace fs = std::filesystem;

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? std::string() : std::string(value);
}

bool is_letter_or_digit(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'); }

/// A revision that cannot lead out of the folder it is looked up in.
bool is_safe_revision(std::string_view revision) {
  return !revision.empty() && revision.front() != '/' && revision.find("..") == std::string_view::npos;
}

/// What refs/<revision> holds; the revision itself if there is no such file.
std::string commit_of(const fs::path& repo, std::string_view revision) {
  std::ifstream file(repo / "refs" / revision);
  std::string commit;
  if (file && file >> commit && std::all_of(commit.begin(), commit.end(), is_letter_or_digit)) return commit;
  return std::string(revision);
}

}  // namespace

fs::path hub_cache_folder() {
  if (const auto cache = variable("HF_HUB_CACHE"); !cache.empty()) return cache;
  if (const auto home = variable("HF_HOME"); !home.empty()) return fs::path(home) / "hub";
  if (const auto cache = variable("XDG_CACHE_HOME"); !cache.empty()) return fs::path(cache) / "huggingface" / "hub";
  if (const auto home = variable("HOME"); !home.empty()) return fs::path(home) / ".cache" / "huggingface" / "hub";
  return {};
}

bool hub_is_offline() {
  for (const char* name : {"HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"}) {
    std::string value = variable(name);
    for (char& c : value) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    if (value == "1" || value == "true" || value == "yes" || value == "on") return true;
  }
  return false;
}

std::optional<fs::path> find_in_hub_cache(HubRepo kind, std::string_view id, std::string_view revision) {
  const fs::path cache = hub_cache_folder();
  if (cache.empty() || !is_repo_id(id) || !is_safe_revision(revision)) return std::nullopt;
  std::string folder = kind == HubRepo::model ? "models--" : "datasets--";
  for (const char c : id) folder += c == '/' ? std::string("--") : std::string(1, c);
  const fs::path repo = cache / folder;
  const std::string commit = commit_of(repo, revision);
  std::error_code ignored;
  if (const fs::path exact = repo / "snapshots" / commit; fs::is_directory(exact, ignored)) return exact;
  if (commit.size() < 7) return std::nullopt;  // too short for a commit
  for (const auto& entry : fs::directory_iterator(repo / "snapshots", ignored))
    if (entry.path().filename().string().starts_with(commit)) return entry.path();
  return std::nullopt;
}

}  // namespace grpo
