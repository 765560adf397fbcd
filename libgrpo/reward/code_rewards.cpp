// Rewards that run what the model wrote, in a jail: unit tests in Python, and programs that read and write.
#include "libgrpo/base/error.hpp"
#include "libgrpo/config/value.hpp"
#include "libgrpo/reward/answer_tags.hpp"
#include "libgrpo/reward/builtin.hpp"
#include "libgrpo/reward/jail.hpp"
#include "libgrpo/reward/reward_args.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <optional>
#include <random>

namespace grpo::detail {
namespace {

using Json = nlohmann::json;

/// The program in a completion, behind the last </think>: the last fenced block that says python or nothing, else the last of any kind,
/// else nothing.
std::optional<std::string> find_code(std::string_view text) {
  constexpr std::string_view kFence = "```", kThink = "</think>";
  if (const std::size_t end = text.rfind(kThink); end != std::string_view::npos) text.remove_prefix(end + kThink.size());
  std::optional<std::string> plain, other;
  for (std::size_t at = text.find(kFence); at != std::string_view::npos;) {
    const std::size_t line = text.find('\n', at);
    if (line == std::string_view::npos) break;
    const std::string_view language = trim(text.substr(at + kFence.size(), line - at - kFence.size()));
    const std::size_t end = text.find("\n```", line);
    const std::string code(text.substr(line + 1, end == std::string_view::npos ? end : end > line ? end - line : 0));
    (language.empty() || language == "python" || language == "py" || language == "python3" ? plain : other) = code;
    if (end == std::string_view::npos) break;
    at = text.find(kFence, end + 1 + kFence.size());
  }
  return plain ? plain : other;
}

/// What both rewards have in common.
class CodeReward : public RewardFn {
 public:
  CodeReward(std::string_view name, const RewardSettings& settings) : name_(name), args_(name, settings.args) {
    limits_.seconds = args_.number("seconds", settings.timeout, 0.01, 86400.0);
    limits_.cpu_seconds = static_cast<std::int64_t>(std::ceil(limits_.seconds));
    limits_.memory_mb = args_.integer("memory_mb", limits_.memory_mb, 16, 1 << 20);
    limits_.disk_mb = args_.integer("disk_mb", limits_.disk_mb, 1, 1 << 20);
    limits_.processes = args_.integer("processes", limits_.processes, 1, 100000);
    partial_ = args_.flag("partial", false);
    python_ = args_.text("python", "python3");
  }

  [[nodiscard]] std::string_view name() const override { return name_; }
  [[nodiscard]] RetryRules retry_rules() const override { return {.by_completion = true}; }
  [[nodiscard]] std::string note() const override {
    const std::string missing = jail_.note();
    return missing.empty() ? "" : name_ + ": " + missing;
  }

  [[nodiscard]] std::vector<Reward> score(const Group& group) const override {
    const std::vector<Json> tests = tests_of(group.prompt);
    std::vector<Reward> rewards;
    for (const Completion& completion : group.completions) {
      if (tests.empty()) {
        rewards.push_back(Reward::not_applicable());
        continue;
      }
      const auto code = find_code(completion.text);
      rewards.push_back(code ? judge(*code, tests) : Reward::of(0.0, "no code block"));
    }
    return rewards;
  }

 protected:
  /// Empty: not applicable.
  [[nodiscard]] virtual std::vector<Json> tests_of(const Prompt& prompt) const = 0;
  /// throws: Error{backend} if the program could not be run at all
  [[nodiscard]] virtual Reward judge(const std::string& code, const std::vector<Json>& tests) const = 0;

  /// The row's column of that name, else its solution.
  static std::string column(const Prompt& prompt, const std::string& name) {
    const auto found = prompt.columns.find(name);
    return found == prompt.columns.end() ? prompt.solution : found->second;
  }
  [[nodiscard]] Reward share(std::size_t passed, std::size_t all, std::string reason) const {
    const double value = static_cast<double>(passed) / static_cast<double>(all);
    return Reward::of(partial_ ? value : std::floor(value), std::move(reason));
  }

  std::string name_;
  RewardArgs args_;
  JailLimits limits_;
  bool partial_ = false;
  std::string python_;
  Jail jail_;
};

/// Runs the code, then each test behind it. Only this script says what passed, with a word that the code does not know: a program that
/// ends early, or prints that all is well, has passed nothing.
constexpr std::string_view kHarness = R"py(import json, sys
task = json.load(sys.stdin)
sys.stdin.close()
word = task["word"]
say = sys.stdout.write
flush = sys.stdout.flush
space = {"__name__": "__main__"}
passed, first = 0, ""
try:
    exec(compile(task["code"], "completion", "exec"), space)
    for test in task["tests"]:
        try:
            exec(compile(test, "test", "exec"), space)
            passed += 1
        except BaseException as problem:
            first = first or "%s: %s (%s)" % (type(problem).__name__, problem, test)
except BaseException as problem:
    first = "%s: %s" % (type(problem).__name__, problem)
say("\n" + word + json.dumps({"passed": passed, "first": first[:300]}) + "\n")
flush()
)py";

class UnitTests final : public CodeReward {
 public:
  explicit UnitTests(const RewardSettings& settings) : CodeReward("python_unit_tests", settings) {
    column_ = args_.text("column", "tests");
    args_.done();
  }

 private:
  /// A list of texts, or one text: each is Python that must run without an exception.
  [[nodiscard]] std::vector<Json> tests_of(const Prompt& prompt) const override {
    const std::string text = column(prompt, column_);
    if (trim(text).empty()) return {};
    const Json json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
    std::vector<Json> tests;
    if (json.is_array())
      for (const Json& test : json)
        if (test.is_string()) tests.push_back(test);
    if (tests.empty() && !json.is_structured()) tests.emplace_back(text);
    return tests;
  }

  [[nodiscard]] Reward judge(const std::string& code, const std::vector<Json>& tests) const override {
    std::random_device entropy;
    const std::string word = fmt::format("verdict-{:08x}{:08x} ", entropy(), entropy());
    const std::string task = Json{{"word", word}, {"code", code}, {"tests", tests}}.dump(-1, ' ', false, Json::error_handler_t::replace);
    const JailedRun run = jail_.run({python_, "-I", "{dir}/harness.py"}, {{"harness.py", std::string(kHarness)}}, task, limits_);
    const std::size_t at = run.output.rfind(word);
    const Json verdict =
        at == std::string::npos ? Json() : Json::parse(run.output.substr(at + word.size()), nullptr, /*allow_exceptions=*/false);
    if (!verdict.is_object() || !verdict.contains("passed")) return Reward::of(0.0, "the tests were not reached: " + run.describe());
    const auto passed = std::min(verdict["passed"].get<std::size_t>(), tests.size());
    const std::string first = verdict.value("first", "");
    return share(passed, tests.size(),
                 fmt::format("{} of {} tests{}", passed, tests.size(), first.empty() ? "" : "; " + show_text(first, 300)));
  }

  std::string column_;
};

/// Words of both are the same: spaces and line ends do not count.
bool same_words(std::string_view a, std::string_view b) {
  constexpr std::string_view kSpace = " \t\r\n\v\f";
  const auto next = [&](std::string_view& text) {
    const std::size_t begin = std::min(text.find_first_not_of(kSpace), text.size());
    const std::size_t end = std::min(text.find_first_of(kSpace, begin), text.size());
    const std::string_view word = text.substr(begin, end - begin);
    text.remove_prefix(end);
    return word;
  };
  for (;;) {
    const std::string_view left = next(a), right = next(b);
    if (left != right) return false;
    if (left.empty()) return true;
  }
}

class StdinStdout final : public CodeReward {
 public:
  explicit StdinStdout(const RewardSettings& settings) : CodeReward("stdin_stdout", settings) {
    column_ = args_.text("column", "cases");
    most_ = static_cast<std::size_t>(args_.integer("max_cases", 20, 1, 100000));
    args_.done();
  }

 private:
  /// [{"input": "1 2", "output": "3"}, ...], or the same as two lists, {"inputs": [...], "outputs": [...]}.
  [[nodiscard]] std::vector<Json> tests_of(const Prompt& prompt) const override {
    const Json json = Json::parse(column(prompt, column_), nullptr, /*allow_exceptions=*/false);
    std::vector<Json> cases;
    const auto text = [](const Json& value) { return value.is_string(); };
    if (json.is_array()) {
      for (const Json& one : json)
        if (one.is_object() && one.contains("input") && one.contains("output") && text(one["input"]) && text(one["output"]))
          cases.push_back(one);
    } else if (json.is_object() && json.contains("inputs") && json.contains("outputs") && json["inputs"].is_array() &&
               json["outputs"].is_array()) {
      for (std::size_t i = 0; i < std::min(json["inputs"].size(), json["outputs"].size()); ++i)
        if (text(json["inputs"][i]) && text(json["outputs"][i]))
          cases.push_back({{"input", json["inputs"][i]}, {"output", json["outputs"][i]}});
    }
    cases.resize(std::min(cases.size(), most_));
    return cases;
  }

  /// All cases share one limit of time. Without partial, the first that fails ends it.
  [[nodiscard]] Reward judge(const std::string& code, const std::vector<Json>& cases) const override {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::duration<double>(limits_.seconds);
    std::size_t passed = 0;
    std::string first;
    for (std::size_t i = 0; i < cases.size(); ++i) {
      JailLimits limits = limits_;
      limits.seconds = std::chrono::duration<double>(deadline - std::chrono::steady_clock::now()).count();
      std::string why = "time limit";
      if (limits.seconds > 0.0) {
        const JailedRun run =
            jail_.run({python_, "-I", "{dir}/main.py"}, {{"main.py", code}}, cases[i]["input"].get_ref<const std::string&>(), limits);
        const bool ended = run.end == JailedRun::End::exited && run.code == 0;
        why = !ended                                                                     ? run.describe()
              : same_words(run.output, cases[i]["output"].get_ref<const std::string&>()) ? ""
                                                                                         : "printed " + show_text(run.output);
      }
      passed += why.empty() ? 1 : 0;
      if (why.empty()) continue;
      if (first.empty()) first = fmt::format("; case {}: {}", i + 1, why);
      if (!partial_) break;
    }
    return share(passed, cases.size(), fmt::format("{} of {} cases{}", passed, cases.size(), first));
  }

  std::string column_;
  std::size_t most_ = 20;
};

}  // namespace

std::unique_ptr<RewardFn> make_python_unit_tests(const RewardSettings& settings) { return std::make_unique<UnitTests>(settings); }
std::unique_ptr<RewardFn> make_stdin_stdout(const RewardSettings& settings) { return std::make_unique<StdinStdout>(settings); }

}  // namespace grpo::detail
