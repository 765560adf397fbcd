#include "libgrpo/metrics/wandb_bridge.hpp"

#include "libgrpo/base/clock.hpp"

#include <atomic>
#include <catch2/catch.hpp>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

using namespace grpo;
namespace fs = std::filesystem;

namespace {

/// A python3 on PATH that is a shell script of the test's.
class FakePython {
 public:
  FakePython(const std::string& name, const std::string& script) : folder(fs::temp_directory_path() / ("grpo_wandb_" + name)) {
    fs::remove_all(folder);
    fs::create_directories(folder / "bin");
    std::ofstream(folder / "bin" / "python3") << "#!/bin/sh\n" << script;
    fs::permissions(folder / "bin" / "python3", fs::perms::owner_all);
    setenv("PATH", ((folder / "bin").string() + ":" + path_).c_str(), 1);
  }
  ~FakePython() { setenv("PATH", path_.c_str(), 1); }
  FakePython(const FakePython&) = delete;
  FakePython& operator=(const FakePython&) = delete;
  fs::path folder;

 private:
  std::string path_ = std::getenv("PATH");
};

std::string content(const fs::path& path) {
  std::ifstream in(path);
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

WandbRun run_in(const fs::path& folder, bool resumed = false) {
  WandbRun run;
  run.folder = folder;
  run.project = "p";
  run.tags = {"a"};
  run.config = R"({"seed": 1})";
  run.resumed = resumed;
  return run;
}

}  // namespace

TEST_CASE("the process hears how the run begins, its metrics, and its end", "[metrics]") {
  const FakePython python("hears", "cat > \"$(dirname \"$0\")/../heard\"\n");
  std::atomic<int> warnings = 0;
  const Log log([&](LogLevel, std::string_view) { ++warnings; });
  WandbBridge bridge(run_in(python.folder), log);
  bridge.log(3, {{"train/reward", 0.5}}, {{"completions", {"text"}, {{"\xFF</script>"}}}});
  bridge.finish(0, 10.0);
  std::istringstream heard(content(python.folder / "heard"));
  std::string init, line, end, more;
  std::getline(heard, init);
  std::getline(heard, line);
  std::getline(heard, end);
  const std::string id = content(python.folder / "wandb_run_id").substr(0, 8);
  CHECK(init.find("\"id\":\"" + id + "\"") != std::string::npos);
  CHECK(init.find("\"project\":\"p\"") != std::string::npos);
  CHECK(init.find("\"config\":{\"seed\":1}") != std::string::npos);
  CHECK(line.find("{\"step\":3,\"log\":{\"train/reward\":0.5},\"tables\":{\"completions\":") == 0);
  CHECK(end == "{\"finish\":0}");
  CHECK_FALSE(std::getline(heard, more));
  CHECK(warnings == 0);
}

TEST_CASE("a resumed run keeps its id, a new one gets another", "[metrics]") {
  const FakePython python("id", "cat > /dev/null\n");
  const Log log;
  const auto id_after = [&](bool resumed) {
    WandbBridge(run_in(python.folder, resumed), log).finish(0, 10.0);
    return content(python.folder / "wandb_run_id");
  };
  const std::string first = id_after(true);
  CHECK(first.size() == 9);
  CHECK(id_after(true) == first);
  CHECK(id_after(false) != first);
}

TEST_CASE("a process that dies is one warning and nothing else", "[metrics]") {
  const FakePython python("dies", "echo no wandb; exit 1\n");
  std::atomic<int> warnings = 0;
  const Log log([&](LogLevel, std::string_view) { ++warnings; });
  WandbBridge bridge(run_in(python.folder), log);
  for (int step = 0; step < 50; ++step) {
    bridge.log(step, {{"x", 1.0}});
    std::this_thread::sleep_for(std::chrono::milliseconds(4));
  }
  bridge.finish(0, 10.0);
  CHECK(warnings == 1);
  CHECK(content(python.folder / "wandb" / "bridge.log") == "no wandb\n");
}

TEST_CASE("a process that hangs holds nobody up", "[metrics]") {
  const FakePython python("hangs", "exec sleep 5\n");
  std::atomic<int> warnings = 0;
  const Log log([&](LogLevel, std::string_view) { ++warnings; });
  const Stopwatch watch;
  {
    WandbBridge bridge(run_in(python.folder), log);
    for (int i = 0; i < 40; ++i) bridge.log(i, {}, {{"completions", {"text"}, {{std::string(1000000, 'x')}}}});
    bridge.finish(0, 0.1);
  }
  CHECK(watch.seconds() < 4.0);
  CHECK(warnings == 1);
}

TEST_CASE("without a python3 there is one warning", "[metrics]") {
  const FakePython python("none", "");
  std::atomic<int> warnings = 0;
  const Log log([&](LogLevel, std::string_view) { ++warnings; });
  const std::string path = std::getenv("PATH");
  setenv("PATH", "/nowhere", 1);
  WandbBridge(run_in(python.folder), log).finish(0, 1.0);
  setenv("PATH", path.c_str(), 1);
  CHECK(warnings == 1);
}
