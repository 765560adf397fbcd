// A program called hf, first in PATH, that writes down how it was called and does what its file "orders" says, a line for each call:
// ok, fail, hang, or found (a download that succeeds). Without a line left: ok.
#pragma once

#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

namespace grpo::test {

class FakeHf {
 public:
  FakeHf() {
    std::string pattern = (std::filesystem::temp_directory_path() / "grpo_hf_XXXXXX").string();
    folder = ::mkdtemp(pattern.data());
    std::ofstream(folder / "hf") << "#!/bin/sh\n"
                                    "cd \"$(dirname \"$0\")\"\n"
                                    "order=$(head -n 1 orders 2>/dev/null); sed -i 1d orders 2>/dev/null\n"
                                    "line=; for word in \"$@\"; do line=\"$line[$word]\"; done\n"
                                    "if [ \"$1\" = upload ]; then line=\"$line files:$(ls \"$3\" | tr '\\n' ' ')\"; fi\n"
                                    "echo \"$line\" >> calls\n"
                                    "case $order in\n"
                                    "  fail) echo 'progress 50%'; echo 'Error: 503 for hf_abcdefghijklmnopqrst' >&2; exit 1 ;;\n"
                                    "  hang) exec sleep 60 ;;\n"
                                    "  slow) sleep 0.4 ;;\n"
                                    "esac\n"
                                    "echo 'https://hub/done'\n";
    std::filesystem::permissions(folder / "hf", std::filesystem::perms::owner_all);
    before_ = std::getenv("PATH");
    ::setenv("PATH", (folder.string() + ":" + before_).c_str(), 1);
  }
  ~FakeHf() {
    ::setenv("PATH", before_.c_str(), 1);
    std::filesystem::remove_all(folder);
  }
  FakeHf(const FakeHf&) = delete;
  FakeHf& operator=(const FakeHf&) = delete;

  void order(const std::vector<std::string>& orders) const {
    std::ofstream out(folder / "orders");
    for (const std::string& each : orders) out << each << "\n";
  }
  std::vector<std::string> calls() const {
    std::vector<std::string> lines;
    std::ifstream in(folder / "calls");
    for (std::string line; std::getline(in, line);) lines.push_back(line);
    return lines;
  }
  void wait_for_calls(std::size_t count) const {
    for (int i = 0; i < 1000 && calls().size() < count; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }

  std::filesystem::path folder;

 private:
  std::string before_;
};

}  // namespace grpo::test
