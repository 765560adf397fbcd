#include "libgrpo/hub/hf_program.hpp"

#include "libgrpo/base/clock.hpp"
#include "tests/hub/fake_hf.hpp"

#include <catch2/catch.hpp>

using namespace grpo;
using grpo::test::FakeHf;

namespace {

const std::atomic<bool> kGoOn{false};

}  // namespace

TEST_CASE("hf: its words arrive as they are, its last line is told, and no token", "[hub]") {
  const FakeHf hf;
  CHECK(has_hf());
  hf.order({"ok", "fail"});
  const HfAnswer good = run_hf({"whoami", "a b", "'; rm -rf \"", ""}, kGoOn, 20);
  CHECK(good.done);
  CHECK(good.words == "https://hub/done");
  CHECK(hf.calls().at(0) == "[whoami][a b]['; rm -rf \"][]");
  const HfAnswer bad = run_hf({"x"}, kGoOn, 20);
  CHECK_FALSE(bad.done);
  CHECK_FALSE(bad.stopped);
  CHECK(bad.words.find("503") != std::string::npos);
  CHECK(bad.words.find("abcdefgh") == std::string::npos);
}

TEST_CASE("hf that hangs is ended by the clock and by the flag", "[hub]") {
  const FakeHf hf;
  hf.order({"hang", "hang"});
  const Stopwatch watch;
  const HfAnswer late = run_hf({"x"}, kGoOn, 0.2);
  CHECK(late.stopped);
  CHECK_FALSE(late.done);
  std::atomic<bool> stop{false};
  std::thread soon([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(150));
    stop = true;
  });
  CHECK(run_hf({"x"}, stop, 100).stopped);
  soon.join();
  CHECK(watch.seconds() < 10);
}

TEST_CASE("no hf: an answer, no exception", "[hub]") {
  const std::string before = std::getenv("PATH");
  ::setenv("PATH", "/nonexistent", 1);
  const bool there = has_hf();
  const HfAnswer answer = run_hf({"x"}, kGoOn, 1);
  ::setenv("PATH", before.c_str(), 1);
  CHECK_FALSE(there);
  CHECK_FALSE(answer.done);
  CHECK(answer.words.find("hf") != std::string::npos);
}

TEST_CASE("tokens are cut out, names that look a little like one are not", "[hub]") {
  ::setenv("HF_TOKEN", "very secret", 1);
  CHECK(without_tokens("a very secret b hf_ABCDEFGHIJKL0123 c hf_home") == "a (token) b (token) c hf_home");
  ::unsetenv("HF_TOKEN");
  CHECK(without_tokens("very secret") == "very secret");
  CHECK(without_tokens("") == "");
}

TEST_CASE("a command is shown as a shell takes it", "[hub]") {
  CHECK(show_command({"upload", "org/m", "/tmp/it's", ".", ""}) == "hf upload org/m '/tmp/it'\\''s' . ''");
}
