/// Programs for tests of rewards, written into a folder that goes away, and what still runs of them.
#pragma once

#include "libgrpo/reward/reward_fn.hpp"

#include <catch2/catch.hpp>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>
#include <unistd.h>
#include <vector>

namespace grpo::testing {

class Programs {
 public:
  Programs()
      : folder_(std::filesystem::temp_directory_path() /
                ("grpo-reward-test-" + std::to_string(::getpid()) + "-" + std::to_string(next()++))) {
    std::filesystem::create_directories(folder_);
  }
  ~Programs() { std::filesystem::remove_all(folder_); }
  Programs(const Programs&) = delete;
  Programs& operator=(const Programs&) = delete;
  /// A Python program whose loop body sees `item` and `n`, how many items came before. returns: its command line
  std::string python(const std::string& name, const std::string& body) const {
    std::ofstream(path(name))
        << "import json, os, signal, subprocess, sys, time\nn = -1\nfor line in sys.stdin:\n    item = json.loads(line)\n    n += 1\n"
           "    def say(**verdict): print(json.dumps({'id': item['id'], **verdict}), flush=True)\n"
        << body;
    return "exec python3 " + path(name).string();
  }
  [[nodiscard]] std::filesystem::path path(const std::string& name) const { return folder_ / name; }
  [[nodiscard]] std::string read(const std::string& name) const {
    std::ifstream file(path(name));
    return {std::istreambuf_iterator<char>(file), {}};
  }
  /// Processes whose command line holds this folder's name.
  [[nodiscard]] int running() const { return count_processes(folder_.filename().string()); }
  /// Zero, if need be after a moment: the kernel may still be at it.
  [[nodiscard]] int running_in_the_end() const {
    for (int i = 0; i < 100 && running() > 0; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(20));
    return running();
  }
  static int count_processes(const std::string& word) {
    int count = 0;
    for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
      std::ifstream file(entry.path() / "cmdline", std::ios::binary);
      const std::string line{std::istreambuf_iterator<char>(file), {}};
      count += line.find(word) != std::string::npos ? 1 : 0;
    }
    return count;
  }

 private:
  static int& next() {
    static int count = 0;
    return count;
  }
  std::filesystem::path folder_;
};

inline Group group_with(const std::vector<std::string>& texts) {
  Group group;
  group.prompt.text = "What is 70 + 2?";
  group.prompt.messages = {{"user", "What is 70 + 2?"}};
  group.prompt.solution = "72";
  group.prompt.columns = {{"level", "3"}};
  group.prompt.source = "rows.jsonl:17";
  for (const std::string& text : texts) {
    group.completions.emplace_back();
    group.completions.back().text = text;
    group.completions.back().ids.assign(text.size(), 1);
  }
  return group;
}

/// Settings with one program.
inline RewardSettings program_settings(const std::string& command, double timeout = 5.0, std::int64_t retries = 0,
                                       std::int64_t workers = 1) {
  RewardSettings settings;
  settings.commands = nlohmann::json{{"mine", command}}.dump();
  settings.timeout = timeout;
  settings.retries = retries;
  settings.workers = workers;
  return settings;
}

}  // namespace grpo::testing
