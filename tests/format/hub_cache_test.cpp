#include "libgrpo/format/hub_cache.hpp"

#include "tests/format/scratch_file.hpp"

#include <catch2/catch.hpp>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <optional>

using namespace grpo;
namespace fs = std::filesystem;

namespace {

/// A cache of its own, and the environment as it was afterwards.
class Cache {
 public:
  Cache() {
    std::string pattern = (fs::temp_directory_path() / "grpo_hub_XXXXXX").string();
    folder = ::mkdtemp(pattern.data());
    for (const char* name : {"HF_HUB_CACHE", "HF_HOME", "XDG_CACHE_HOME", "HOME", "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"}) {
      const char* value = std::getenv(name);
      before_[name] = value == nullptr ? std::nullopt : std::optional<std::string>(value);
      ::unsetenv(name);
    }
  }
  ~Cache() {
    for (const auto& [name, value] : before_) value ? ::setenv(name.c_str(), value->c_str(), 1) : ::unsetenv(name.c_str());
    fs::remove_all(folder);
  }
  Cache(const Cache&) = delete;
  Cache& operator=(const Cache&) = delete;
  void add(const std::string& repo, const std::string& commit, const std::string& ref) const {
    fs::create_directories(folder / repo / "snapshots" / commit);
    fs::create_directories((folder / repo / "refs" / ref).parent_path());
    std::ofstream(folder / repo / "refs" / ref) << commit;
  }
  fs::path folder;

 private:
  std::map<std::string, std::optional<std::string>> before_;
};

}  // namespace

TEST_CASE("the cache is where Hugging Face's tools put it", "[format]") {
  const Cache cache;
  CHECK(hub_cache_folder().empty());
  ::setenv("HOME", "/home/me", 1);
  CHECK(hub_cache_folder() == "/home/me/.cache/huggingface/hub");
  ::setenv("XDG_CACHE_HOME", "/x", 1);
  CHECK(hub_cache_folder() == "/x/huggingface/hub");
  ::setenv("HF_HOME", "/h", 1);
  CHECK(hub_cache_folder() == "/h/hub");
  ::setenv("HF_HUB_CACHE", "/c", 1);
  CHECK(hub_cache_folder() == "/c");
}

TEST_CASE("a repository is found by branch, tag with a slash, commit and beginning of a commit", "[format]") {
  const Cache cache;
  ::setenv("HF_HUB_CACHE", cache.folder.c_str(), 1);
  const std::string a(40, 'a'), b = "0123456789abcdef0123456789abcdef01234567";
  cache.add("models--org--Name-1.5B", a, "main");
  cache.add("models--org--Name-1.5B", b, "pr/7");
  cache.add("datasets--org--set", b, "main");
  const auto snapshots = cache.folder / "models--org--Name-1.5B" / "snapshots";
  CHECK(find_in_hub_cache(HubRepo::model, "org/Name-1.5B", "main") == snapshots / a);
  CHECK(find_in_hub_cache(HubRepo::model, "org/Name-1.5B", "pr/7") == snapshots / b);
  CHECK(find_in_hub_cache(HubRepo::model, "org/Name-1.5B", b) == snapshots / b);
  CHECK(find_in_hub_cache(HubRepo::model, "org/Name-1.5B", "0123456") == snapshots / b);
  CHECK_FALSE(find_in_hub_cache(HubRepo::model, "org/Name-1.5B", "0123"));
  CHECK_FALSE(find_in_hub_cache(HubRepo::model, "org/Name-1.5B", "v2"));
  CHECK_FALSE(find_in_hub_cache(HubRepo::model, "org/other", "main"));
  CHECK_FALSE(find_in_hub_cache(HubRepo::model, "org/set", "main"));
  CHECK(find_in_hub_cache(HubRepo::dataset, "org/set", "main"));
}

TEST_CASE("names and revisions cannot lead out of the cache", "[format]") {
  const Cache cache;
  ::setenv("HF_HUB_CACHE", cache.folder.c_str(), 1);
  for (const char* id : {"Qwen/Qwen2.5-1.5B-Instruct", "gpt2", "a_b/c.d-e"}) CHECK(is_repo_id(id));
  for (const char* id : {"", "/", "a/", "/b", "../x", "a/../b", "a/b/c", "a b/c", "a/b--c", "-a/b", "a/b.", "./a", "a//b"})
    CHECK_FALSE(is_repo_id(id));
  cache.add("models--org--m", std::string(40, 'a'), "main");
  for (const char* revision : {"", "/etc", "../refs/main", "x/../main"}) CHECK_FALSE(find_in_hub_cache(HubRepo::model, "org/m", revision));
  std::ofstream(cache.folder / "models--org--m" / "refs" / "evil") << "../../../etc";
  CHECK_FALSE(find_in_hub_cache(HubRepo::model, "org/m", "evil"));
}

TEST_CASE("offline is what Hugging Face's tools call it", "[format]") {
  const Cache cache;
  CHECK_FALSE(hub_is_offline());
  for (const char* value : {"1", "true", "YES", "On"}) {
    ::setenv("HF_HUB_OFFLINE", value, 1);
    CHECK(hub_is_offline());
  }
  ::setenv("HF_HUB_OFFLINE", "0", 1);
  CHECK_FALSE(hub_is_offline());
  ::setenv("TRANSFORMERS_OFFLINE", "1", 1);
  CHECK(hub_is_offline());
}
