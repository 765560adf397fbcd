#include "libgrpo/metrics/html_report.hpp"

#include "libgrpo/metrics/json_lines.hpp"
#include "libgrpo/metrics/printable.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>
#include <sstream>

using namespace grpo;
namespace fs = std::filesystem;

namespace {

fs::path scratch(const std::string& name) {
  const fs::path folder = fs::temp_directory_path() / ("grpo_report_" + name);
  fs::remove_all(folder);
  fs::create_directories(folder);
  return folder;
}

std::string content(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

nlohmann::json data_of(const fs::path& path) {
  const std::string page = content(path), begin = "id=\"data\">\n";
  const std::size_t at = page.find(begin) + begin.size();
  return nlohmann::json::parse(page.substr(at, page.find('\n', at) - at));
}

ReportAbout about() { return {"run <1>", "grpo", "tiny", "advantage", 2, 4, 100, {{"accuracy", 1.0, RewardKind::correctness}}}; }

AuditGroup group_of(std::int64_t step, std::size_t index, const std::string& text, double total = 1.0) {
  AuditGroup group{step, index, "rows:1", "the prompt", "question", "solution", {}};
  AuditCompletion completion;
  completion.text = text;
  completion.total = total;
  completion.tokens = 2;
  completion.advantage = 0.5;
  completion.rewards = {{total, false, "because"}};
  completion.log_probs = {-0.5F, -1.5F};
  completion.ref_log_probs = {-0.5F, -2.0F};
  completion.entropies = {0.1F, 0.3F};
  group.completions = {completion};
  return group;
}

}  // namespace

TEST_CASE("the report holds what it was given, whatever a model wrote", "[metrics]") {
  const fs::path folder = scratch("holds");
  const std::string hostile = std::string("</script><!--<script>alert(1)</script>\0\x1b[31m\xE2\x80\xAE\xFF", 50);
  HtmlReport report(folder / "report.html", about(), 1000000, folder / "metrics.jsonl", 0);
  report.record(0, {{"eval_rewards/accuracy/mean", 0.25}});
  report.record(1, {{"reward", 0.5}, {"time/sample", 1.0}});
  report.record(2, {{"reward", 0.75}, {"kl", std::numeric_limits<double>::quiet_NaN()}});
  report.keep(group_of(2, 0, hostile), hostile, false);
  report.write({}, true);
  const std::string page = content(folder / "report.html");
  const std::size_t data_begins = page.find("id=\"data\">"), data_ends = page.find("</script>", data_begins);
  CHECK(page.substr(data_begins + 10, data_ends - data_begins - 10).find('<') == std::string::npos);
  CHECK(page.find("http://www.w3.org/2000/svg") != std::string::npos);
  for (const char* network : {"src=", "https://", "@import", "fetch(", "XMLHttp"}) CHECK(page.find(network) == std::string::npos);
  const auto data = data_of(folder / "report.html");
  CHECK(data["finished"] == true);
  CHECK(data["curves"]["values"]["reward"] == nlohmann::json({0.5, 0.75}));
  CHECK(data["curves"]["values"]["kl"] == nlohmann::json({nullptr, nullptr}));
  CHECK(data["curves"]["values"]["time/sample"] == nlohmann::json({1.0, nullptr}));
  CHECK(data["evaluations"]["steps"] == nlohmann::json({0}));
  const auto completion = data["groups"][0]["completions"][0];
  CHECK(completion["text"].get<std::string>().find("</script>") == 0);
  CHECK(completion["kl"].get<double>() == Approx((std::exp(-0.5) + 0.5 - 1.0) / 2.0).epsilon(1e-5));
  CHECK(completion["rewards"][0] == nlohmann::json({{"value", 1.0}, {"why", "because"}}));
  CHECK(fs::exists(folder / "report.html.partial") == false);
}

TEST_CASE("tokens are shown one by one where their texts are known", "[metrics]") {
  const fs::path folder = scratch("pieces");
  HtmlReport report(folder / "report.html", about(), 1000000, folder / "metrics.jsonl", 0);
  AuditGroup group = group_of(1, 0, "ab");
  group.completions[0].pieces = {"ab", "<|im_end|>"};
  group.completions[0].special = {1};
  report.keep(group, "highest reward", false);
  report.write({}, false);
  const auto completion = data_of(folder / "report.html")["groups"][0]["completions"][0];
  CHECK(completion["pieces"] == nlohmann::json({"ab", "<|im_end|>"}));
  CHECK(completion["log_probs"] == nlohmann::json({-0.5, -1.5}));
  CHECK(completion.contains("text") == false);
}

TEST_CASE("long texts lose their middle, long runs keep few points", "[metrics]") {
  const fs::path folder = scratch("bounds");
  HtmlReport report(folder / "report.html", about(), 1000000, folder / "metrics.jsonl", 0);
  report.keep(group_of(1, 0, "begin" + std::string(300000, 'x') + "end"), "", false);
  for (int step = 1; step <= 5000; ++step) report.record(step, {{"reward", step <= 3 ? 0.0 : 1.0}});
  report.write({}, false);
  const auto data = data_of(folder / "report.html");
  const auto completion = data["groups"][0]["completions"][0];
  CHECK(completion["text"].get<std::string>().size() < kLongestText + 100);
  CHECK(completion["left_out"] == 300008 - kLongestText);
  CHECK(data["curves"]["bucket"] == 3);
  CHECK(data["curves"]["steps"].size() == 1667);
  CHECK((data["curves"]["steps"][0] == 3 && data["curves"]["steps"].back() == 5000));
  CHECK((data["curves"]["values"]["reward"][0] == 0.0 && data["curves"]["values"]["reward"][1] == 1.0));
}

TEST_CASE("a resumed run goes on with the curves, completions and alarms up to its checkpoint", "[metrics]") {
  const fs::path folder = scratch("resume");
  const Alarm early{"no_signal", "t", "m", "a", "r", 2, 4, 3, {"2/0/0"}}, late{"kl_runaway", "t", "m", "a", "r", 4, 4, 1, {}};
  {
    JsonLinesSink lines(folder / "metrics.jsonl", 0);
    HtmlReport report(folder / "report.html", about(), 1000000, folder / "metrics.jsonl", 0);
    for (int step = 1; step <= 4; ++step) {
      lines.write(step, {{"reward", 0.1 * step}});
      report.record(step, {{"reward", 0.1 * step}});
      report.keep(group_of(step, 0, "</script>"), "highest reward", step == 2);
    }
    report.write({early, late}, false);
  }
  HtmlReport resumed(folder / "report.html", about(), 1000000, folder / "metrics.jsonl", 3);
  REQUIRE(resumed.earlier_alarms().size() == 1);
  CHECK((resumed.earlier_alarms()[0].id == "no_signal" && resumed.earlier_alarms()[0].last == 3));
  CHECK(resumed.kept().steps() == std::vector<std::int64_t>{1, 2, 3});
  resumed.record(4, {{"reward", 0.5}});
  resumed.write(resumed.earlier_alarms(), true);
  const auto data = data_of(folder / "report.html");
  CHECK(data["curves"]["steps"] == nlohmann::json({1, 2, 3, 4}));
  CHECK(data["groups"].size() == 3);
  CHECK(data["groups"][0]["completions"][0]["text"] == "</script>");
  std::ofstream(folder / "report.html") << "id=\"data\">\n{\"alarms\": 3";
  CHECK(HtmlReport(folder / "report.html", about(), 1000000, folder / "metrics.jsonl", 3).earlier_alarms().empty());
}

TEST_CASE("kept steps: the first, the newest, those of alarms, the rest evenly spread", "[metrics]") {
  KeptGroups kept(20 * 100);
  for (int step = 1; step <= 200; ++step) kept.add(step, std::string(100, 'x'), step == 77);
  CHECK(kept.bytes() == 2000);
  const auto steps = kept.steps();
  REQUIRE(steps.size() == 20);
  CHECK(steps.front() == 1);
  CHECK(std::vector<std::int64_t>(steps.end() - 4, steps.end()) == std::vector<std::int64_t>{197, 198, 199, 200});
  CHECK(std::find(steps.begin(), steps.end(), 77) != steps.end());
  for (std::size_t i = 1; i + 4 < steps.size(); ++i) CHECK(steps[i] - steps[i - 1] <= 32);
  KeptGroups huge(10);
  for (int step = 1; step <= 3; ++step) huge.add(step, std::string(100, 'x'), true);
  CHECK(huge.steps() == std::vector<std::int64_t>{3});
}

TEST_CASE("which groups of a step are kept", "[metrics]") {
  std::vector<AuditGroup> groups;
  for (std::size_t i = 0; i < 12; ++i) groups.push_back(group_of(5, i, "x", static_cast<double>(i == 3 ? 9 : i == 7 ? -9 : 0)));
  groups[5].completions.push_back(groups[5].completions[0]);
  groups[5].completions[0].total = 4.0;
  groups[5].completions[1].total = -4.0;
  const Alarm alarm{"a", "", "", "", "", 5, 5, 1, {"5/11/0"}};
  std::vector<std::size_t> chosen;
  for (const auto& [i, why] : KeptGroups::choose(groups, {alarm})) chosen.push_back(i);
  CHECK(chosen == std::vector<std::size_t>{3, 5, 7, 11});  // not 1, whose key is a beginning of 11's
  CHECK(KeptGroups::choose({}, {}).empty());
}

TEST_CASE("text of a model cannot steer the terminal", "[metrics]") {
  CHECK(printable_line("a\nb\t\x1b[31m\\", 100) == "a\\nb\\t\\x1b[31m\\\\");
  CHECK(printable_line("\xE2\x80\xAE"
                       "x\xC2\x9B\xFF",
                       100) == "\\u202ex\\x9b\xEF\xBF\xBD");
  CHECK(printable_line("äöü", 2) == "äö...");
  CHECK(printable_line(std::string_view("\0", 1), 5) == "\\x00");
}
