#include "libgrpo/hub/uploader.hpp"

#include "libgrpo/base/clock.hpp"
#include "tests/hub/fake_hf.hpp"

#include <catch2/catch.hpp>

#include <algorithm>

using namespace grpo;
using grpo::test::FakeHf;
namespace fs = std::filesystem;

namespace {

const std::atomic<bool> kGoOn{false};

struct Said {
  std::mutex mutex;
  std::vector<std::string> infos, warnings;
  Log log{[this](LogLevel level, std::string_view text) {
    const std::lock_guard lock(mutex);
    (level == LogLevel::warning ? warnings : infos).emplace_back(text);
  }};
};

HubUpload upload(const FakeHf& hf, const std::string& name, const std::string& place) {
  const fs::path folder = hf.folder / ("staged " + name);
  fs::create_directories(folder);
  std::ofstream(folder / name) << name;
  return {name, folder, place, "save " + name};
}

const HubPauses kShort{3, 0.02, 0.05};

}  // namespace

TEST_CASE("uploads run one after the other and say so", "[hub]") {
  const FakeHf hf;
  Said said;
  HubUploader hub({"org/m", "dev", true}, said.log, kShort);
  const HubUpload a = upload(hf, "a", "."), b = upload(hf, "b", "checkpoint-2");
  hub.push(a);
  hub.push(b);
  CHECK(hub.finish(20, kGoOn));
  const auto calls = hf.calls();
  REQUIRE(calls.size() == 2);
  CHECK(calls[0] == "[upload][org/m][" + a.folder.string() + "][.][--revision][dev][--commit-message][save a][--private] files:a ");
  CHECK(calls[1].find("[checkpoint-2]") != std::string::npos);
  CHECK_FALSE(fs::exists(a.folder));
  CHECK_FALSE(fs::exists(b.folder));
  CHECK(std::count_if(said.infos.begin(), said.infos.end(), [](auto& s) { return s.find("is in org/m (dev)") != std::string::npos; }) == 2);
  CHECK(said.warnings.empty());
}

TEST_CASE("while one is under way, the newest of those that wait for its place goes up", "[hub]") {
  const FakeHf hf;
  Said said;
  hf.order({"slow"});
  HubUploader hub({"m", "main", false}, said.log, kShort);
  hub.push(upload(hf, "a", "."));
  hf.wait_for_calls(1);
  const HubUpload b = upload(hf, "b", ".");
  hub.push(b);
  hub.push(upload(hf, "other", "checkpoint-1"));
  hub.push(upload(hf, "c", "."));
  CHECK_FALSE(fs::exists(b.folder));
  CHECK(hub.finish(20, kGoOn));
  const auto calls = hf.calls();
  REQUIRE(calls.size() == 3);
  CHECK(calls[0].find("files:a ") != std::string::npos);
  CHECK(calls[0].find("--private") == std::string::npos);
  CHECK(calls[1].find("files:other ") != std::string::npos);
  CHECK(calls[2].find("files:c ") != std::string::npos);
}

TEST_CASE("what fails is told and tried again, and given up in the end", "[hub]") {
  const FakeHf hf;
  Said said;
  SECTION("it works the third time") {
    hf.order({"fail", "fail"});
    HubUploader hub({"m", "main", false}, said.log, kShort);
    hub.push(upload(hf, "a", "."));
    CHECK(hub.finish(20, kGoOn));
    CHECK(hf.calls().size() == 3);
    REQUIRE(said.warnings.size() == 2);
    CHECK(said.warnings[0].find("503") != std::string::npos);
    CHECK(said.warnings[0].find("abcdefgh") == std::string::npos);
  }
  SECTION("it never works: a command for the hand is left, and the folder") {
    hf.order({"fail", "fail", "fail"});
    HubUploader hub({"m", "main", false}, said.log, kShort);
    const HubUpload a = upload(hf, "a", ".");
    hub.push(a);
    CHECK_FALSE(hub.finish(20, kGoOn));
    CHECK(hf.calls().size() == 3);
    CHECK(said.warnings.back().find("hf upload m '" + a.folder.string() + "' .") != std::string::npos);
    CHECK(fs::exists(a.folder / "a"));
  }
  SECTION("a newer save for the place takes the turn of one that is waiting to be tried again") {
    hf.order({"fail"});
    HubUploader hub({"m", "main", false}, said.log, {3, 60, 60});
    const HubUpload a = upload(hf, "a", ".");
    hub.push(a);
    hf.wait_for_calls(1);
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    hub.push(upload(hf, "b", "."));
    const Stopwatch watch;
    CHECK(hub.finish(20, kGoOn));
    CHECK(watch.seconds() < 10);
    CHECK(hf.calls().size() == 2);
    CHECK_FALSE(fs::exists(a.folder));
  }
}

TEST_CASE("the end waits for an upload that hangs no longer than it is told to", "[hub]") {
  const FakeHf hf;
  Said said;
  hf.order({"hang"});
  HubUploader hub({"m", "main", false}, said.log, kShort);
  hub.push(upload(hf, "a", "."));
  hub.push(upload(hf, "b", "checkpoint-1"));
  const Stopwatch watch;
  SECTION("by the clock") { CHECK_FALSE(hub.finish(0.3, kGoOn)); }
  SECTION("by the flag") { CHECK_FALSE(hub.finish(60, std::atomic<bool>(true))); }
  CHECK(watch.seconds() < 10);
  REQUIRE(said.infos.size() == 1);
  CHECK(said.infos[0].find("waiting for the upload of a to m") != std::string::npos);
  CHECK(said.warnings.size() == 2);
}

TEST_CASE("an uploader that is left ends what is under way", "[hub]") {
  const FakeHf hf;
  Said said;
  hf.order({"hang"});
  const Stopwatch watch;
  {
    HubUploader hub({"m", "main", false}, said.log, kShort);
    hub.push(upload(hf, "a", "."));
    hf.wait_for_calls(1);
  }
  CHECK(watch.seconds() < 15);
}
