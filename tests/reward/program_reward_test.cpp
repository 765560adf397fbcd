#include "libgrpo/base/clock.hpp"
#include "libgrpo/base/error.hpp"
#include "tests/reward/scratch_programs.hpp"

#include <csignal>
#include <set>

namespace grpo {
namespace {

using Catch::Matchers::Contains;
using testing::group_with;
using testing::program_settings;
using testing::Programs;

std::vector<Reward> judge(const RewardSet& rewards, const std::vector<Group>& groups) {
  return rewards.score(groups).columns.at(0).rewards;
}

TEST_CASE("a program sees the row and the completion, and says a number, not applicable or an error") {
  const Programs programs;
  const RewardSet rewards({"mine"}, {0.5}, program_settings(programs.python("mine.py", R"(
    if item["completion"] == "show": say(reward=1, reason=json.dumps(item, sort_keys=True))
    elif item["completion"] == "none": say(not_applicable=True)
    elif item["completion"] == "null": say(reward=None)
    elif item["completion"] == "bad": say(error="no such planet")
    else: say(reward=len(item["completion"]), reason="its length")
)")));
  const RewardTable table = rewards.score({group_with({"abc", "show", "none"}), group_with({"null", "bad", "\xFF\n\"x"})});
  CHECK(table.columns.at(0).name == "mine");
  CHECK(table.columns[0].weight == 0.5);
  const std::vector<Reward>& r = table.columns[0].rewards;
  REQUIRE(r.size() == 6);
  CHECK(r[0].value() == 3.0);
  CHECK(r[0].reason() == "its length");
  for (const char* piece :
       {R"("completion": "show")", R"("solution": "72")", R"("columns": {"level": "3"})", R"("source": "rows.jsonl:17")", R"("tokens": 4)",
        R"("finish": "length")", R"("messages": [{"content": "What is 70 + 2?", "role": "user"}])"})
    CHECK_THAT(r[1].reason(), Contains(piece));
  CHECK(r[2].kind() == Reward::Kind::not_applicable);
  CHECK(r[3].kind() == Reward::Kind::not_applicable);
  CHECK(r[4].why() == "no such planet");
  CHECK(r[5].value() == 4.0);  // the byte that is no UTF-8 came as one character
}

TEST_CASE("processes are kept from step to step, as many as there are workers, and end with the set") {
  const Programs programs;
  std::set<std::string> pids;
  {
    const RewardSet rewards(
        {"mine"}, {},
        program_settings(programs.python("mine.py", "    time.sleep(0.01)\n    say(reward=1, reason=str(os.getpid()))\n"), 5.0, 0, 3));
    CHECK(programs.running() == 0);  // started when they are needed
    for (int step = 0; step < 3; ++step)
      for (const Reward& reward : judge(rewards, std::vector<Group>(6, group_with({"a", "b"})))) pids.insert(reward.reason());
    CHECK(pids.size() == 3);
    CHECK(programs.running() == 3);
  }
  CHECK(programs.running_in_the_end() == 0);
}

TEST_CASE("what a program may do wrong is a failed verdict with its reason, and the next completion is judged") {
  const Programs programs;
  struct Case {
    const char *wrong, *why;
    double timeout = 5.0;  // what makes a program wait for it says how long
  };
  const Case cases[] = {
      {"print('loading the model', flush=True)", "answered no JSON: loading the model"},
      {"sys.stdout.buffer.write(b'\\xff\\xfe{\\n'); sys.stdout.flush()", "answered no JSON"},
      {"print('[1]', flush=True)", "answered no JSON object but [1]"},
      {"print(json.dumps({'id': 99999, 'reward': 1}), flush=True)", "answered id 99999 to id"},
      {"print(json.dumps({'reward': 1}), flush=True)", "answered id none to id"},
      {"say(reward='much')", "with a reward that is no number"},
      {"say(value=1)", "without a \"reward\""},
      {"say(reward=float('nan'))", "answered no JSON"},
      {"print('{\"id\": %d, \"reward\": 1e999}' % item['id'], flush=True)", "answered no JSON"},
      {"print('x' * 100000000, flush=True)", "answered with a line of more than 1048576 bytes"},
      {"sys.stdout.write('y' * 100000000); sys.stdout.flush()", "answered with a line of more than 1048576 bytes"},
      {"print('[' * 500000, flush=True)", "answered no JSON"},
      {"time.sleep(60)", "no answer within", 0.7},
      {"os.kill(os.getpid(), signal.SIGKILL)", "the program was killed by signal 9"},
      {"print('I am lost', file=sys.stderr); sys.exit(3)", "the program exited with 3: I am lost"},
      {"raise ValueError('no luck')", "ValueError: no luck"},
      {"os.close(1); time.sleep(60)", "the program was killed by signal 9"},
  };
  for (const Case& c : cases) {
    INFO(c.wrong);
    const RewardSet rewards({"mine"}, {},
                            program_settings(programs.python("mine.py", std::string("    if item['completion'] == 'wrong': ") + c.wrong +
                                                                            "\n    else: say(reward=1)\n"),
                                             c.timeout));
    const auto r = judge(rewards, {group_with({"good", "wrong", "good", "wrong", "good"})});
    REQUIRE(r.size() == 5);
    for (const int good : {0, 2, 4}) CHECK(r[static_cast<std::size_t>(good)].value() == 1.0);
    for (const int wrong : {1, 3}) {
      CHECK(r[static_cast<std::size_t>(wrong)].is_failed());
      CHECK_THAT(r[static_cast<std::size_t>(wrong)].why(), Contains(c.why));
      CHECK(r[static_cast<std::size_t>(wrong)].why().size() < 1200);
    }
  }
  CHECK(programs.running_in_the_end() == 0);
}

TEST_CASE("a program that is killed from outside, again and again, costs one verdict each time") {
  const Programs programs;
  const RewardSet rewards({"mine"}, {}, program_settings(programs.python("mine.py", "    say(reward=1, reason=str(os.getpid()))\n")));
  for (int round = 0; round < 4; ++round) {
    const auto before = judge(rewards, {group_with({"a"})});
    REQUIRE(before[0].has_value());
    ::kill(std::stoi(before[0].reason()), SIGKILL);
    const auto after = judge(rewards, {group_with({"a", "b"})});
    CHECK(after[0].is_failed());
    CHECK_THAT(after[0].why(), Contains("killed by signal 9"));
    CHECK(after[1].value() == 1.0);
  }
  // With a retry it costs nothing.
  const RewardSet patient({"mine"}, {},
                          program_settings(programs.python("mine.py", "    say(reward=1, reason=str(os.getpid()))\n"), 5.0, 1));
  ::kill(std::stoi(judge(patient, {group_with({"a"})})[0].reason()), SIGKILL);
  CHECK(judge(patient, {group_with({"a", "b"})})[0].value() == 1.0);
}

TEST_CASE("what a program started ends with it, at a time limit and at the end") {
  const Programs programs;
  const std::string child = programs.path("child").string();
  {
    const RewardSet rewards({"mine"}, {},
                            program_settings(programs.python("mine.py", "    subprocess.Popen(['sh', '-c', 'sleep 100; : " + child +
                                                                            "'])\n"
                                                                            "    if n == 0: say(reward=1)\n    else: time.sleep(100)\n"),
                                             0.5));
    const auto r = judge(rewards, {group_with({"a", "b", "c"})});
    CHECK(r[0].value() == 1.0);
    CHECK(r[1].is_failed());
    CHECK(r[2].value() == 1.0);
    CHECK(programs.running() > 0);
  }
  CHECK(programs.running_in_the_end() == 0);
}

TEST_CASE("a hanging program holds up a step no longer than its limits, and others not at all") {
  const Programs programs;
  RewardSettings settings =
      program_settings(programs.python("slow.py", "    if item['completion'] == 'hang': time.sleep(100)\n    say(reward=1)\n"), 0.4, 0, 4);
  const RewardSet rewards({"mine", "format"}, {}, settings);
  const Stopwatch clock;
  const RewardTable table = rewards.score({group_with({"hang"}), group_with({"a"}), group_with({"hang"}), group_with({"a"})});
  CHECK(clock.seconds() < 4.0);  // 4 x 0.4 s for a new process, two of them side by side
  CHECK(clock.seconds() > 1.5);
  CHECK(table.columns[0].rewards[0].is_failed());
  CHECK(table.columns[0].rewards[1].value() == 1.0);
  CHECK(table.columns[1].rewards[0].value() == 0.0);
}

TEST_CASE("a program that cannot be started fails every verdict and says why") {
  RewardSettings settings = program_settings("unused");
  settings.commands = R"({"mine": ["no-such-program-anywhere", "--x"]})";
  CHECK_THAT(judge(RewardSet({"mine"}, {}, settings), {group_with({"a"})})[0].why(),
             Contains("no-such-program-anywhere") && Contains("PATH"));
  settings.commands = R"({"mine": ["/etc/hostname"]})";
  CHECK_THAT(judge(RewardSet({"mine"}, {}, settings), {group_with({"a"})})[0].why(), Contains("/etc/hostname"));
  settings.commands = R"({"mine": "no-such-program-anywhere"})";
  CHECK_THAT(judge(RewardSet({"mine"}, {}, settings), {group_with({"a"})})[0].why(), Contains("exited with 127") && Contains("not found"));
}

TEST_CASE("a completion that is too long is not sent; one that fills the pipe is") {
  const Programs programs;
  const RewardSet rewards({"mine"}, {}, program_settings(programs.python("mine.py", "    say(reward=len(item['completion']))\n"), 20.0));
  const auto r = judge(rewards, {group_with({std::string(3000000, 'x'), std::string(20000000, 'x'), "a"})});
  CHECK(r[0].value() == 3000000.0);
  CHECK_THAT(r[1].why(), Contains("at most 16777216 are sent"));
  CHECK(r[2].value() == 1.0);
}

TEST_CASE("several programs, each with its name and weight; mistakes in their options are named") {
  const Programs programs;
  RewardSettings settings;
  settings.commands =
      nlohmann::json{{"one", programs.python("one.py", "    say(reward=1)\n")},
                     {"two",
                      std::vector<std::string>{
                          "python3", "-c",
                          "import sys, json\nfor l in sys.stdin: print(json.dumps({'id': json.loads(l)['id'], 'reward': 2}), flush=True)"}}}
          .dump();
  const RewardTable table = RewardSet({"one", "format", "two"}, {1.0, 1.0, 0.25}, settings).score({group_with({"a"})});
  CHECK(table.columns[0].rewards[0].value() == 1.0);
  CHECK(table.columns[2].name == "two");
  CHECK(table.columns[2].weight == 0.25);
  CHECK(table.columns[2].rewards[0].value() == 2.0);
  const auto why = [](const std::string& commands, const std::vector<std::string>& names, const std::string& urls = "{}") -> std::string {
    RewardSettings wrong;
    wrong.commands = commands;
    wrong.urls = urls;
    try {
      const RewardSet set(names, {}, wrong);
    } catch (const Error& error) {
      CHECK(error.kind() == ErrorKind::recipe);
      return error.what();
    }
    return "nothing was thrown";
  };
  CHECK_THAT(why(R"({"mine": 3})", {"mine"}), Contains("reward_command: mine = 3: expected a text"));
  CHECK_THAT(why(R"({"mine": []})", {"mine"}), Contains("reward_command") && Contains("empty"));
  CHECK_THAT(why(R"({"mine": [1]})", {"mine"}), Contains("expected a list of texts"));
  CHECK_THAT(why(R"({"mine": "x"})", {"min"}), Contains("mine is not one of reward_funcs; did you mean \"min\"?"));
  CHECK_THAT(why(R"({"format": "x"})", {"format"}), Contains("\"format\" is a reward of the library"));
  CHECK_THAT(why(R"({"mine": "x"})", {"mine"}, R"({"mine": "http://a/"})"), Contains("named in reward_command, too"));
  CHECK_THAT(why("[]", {"format"}), Contains("expected a table such as"));
}

}  // namespace
}  // namespace grpo
