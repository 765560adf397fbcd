#include "libgrpo/reward/jail.hpp"

#include "libgrpo/base/clock.hpp"
#include "tests/reward/scratch_programs.hpp"

#include <csignal>

namespace grpo {
namespace {

using Catch::Matchers::Contains;
using detail::Jail;
using detail::JailedRun;
using detail::JailLimits;
using testing::Programs;
using End = JailedRun::End;

/// The jail as this machine allows it, and as it is without namespaces.
std::vector<std::pair<std::string, Jail>> jails() {
  std::vector<std::pair<std::string, Jail>> all{{"as the kernel allows", Jail()}, {"without namespaces", Jail()}};
  all[1].second.forgo_namespaces();
  return all;
}

JailedRun python(const Jail& jail, const std::string& code, const JailLimits& limits = {}, const std::string& input = "") {
  return jail.run({"python3", "-I", "{dir}/main.py"}, {{"main.py", code}}, input, limits);
}

/// A word in the command line of everything that a jailed program starts.
std::string mark() {
  static int count = 0;
  return "jail-test-" + std::to_string(::getpid()) + "-" + std::to_string(count++);
}

int left_over(const std::string& word) {
  for (int i = 0; i < 100 && Programs::count_processes(word) > 0; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(20));
  return Programs::count_processes(word);
}

/// Those of this process.
int scratch_folders() {
  int count = 0;
  const std::string name = "grpo-jail-" + std::to_string(::getpid()) + "-";
  for (const auto& entry : std::filesystem::directory_iterator(std::filesystem::temp_directory_path()))
    count += entry.path().filename().string().rfind(name, 0) == 0 ? 1 : 0;
  return count;
}

TEST_CASE("a program reads, writes, and tells how it ended; its folder goes away") {
  for (const auto& [name, jail] : jails()) {
    INFO(name);
    const int before = scratch_folders();
    const JailedRun sum = python(jail,
                                 "import os, sys\nopen('mine', 'w').write('x')\nprint(sum(map(int, sys.stdin.read().split())), "
                                 "os.listdir('.'))\nprint('words', file=sys.stderr)",
                                 {}, "1 2 39");
    CHECK(sum.output == "42 ['mine']\n");
    CHECK(sum.error == "words\n");
    CHECK(sum.end == End::exited);
    CHECK(sum.code == 0);
    for (const int code : {3, 124, 125})
      CHECK(python(jail, "import sys\nsys.exit(" + std::to_string(code) + ")").code == (code == 124 ? 124 : code));
    const JailedRun killed = python(jail, "import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)");
    CHECK(killed.end == End::signalled);
    CHECK(killed.code == SIGSEGV);
    CHECK(scratch_folders() == before);
  }
}

TEST_CASE("limits of time, processor, memory, output and file end a program") {
  for (const auto& [name, jail] : jails()) {
    INFO(name);
    JailLimits limits;
    limits.seconds = 0.8;
    const Stopwatch clock;
    CHECK(python(jail, "import time\ntime.sleep(100)", limits).end == End::timed_out);
    CHECK(clock.seconds() < 5.0);
    CHECK(python(jail, "import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nwhile True: pass", limits).end ==
          End::timed_out);
    limits.seconds = 60;
    limits.cpu_seconds = 1;
    const JailedRun busy = python(jail, "while True: pass", limits);
    CHECK(busy.describe() == "killed by signal " + std::to_string(SIGXCPU));
    limits.memory_mb = 200;
    CHECK_THAT(python(jail, "x = bytearray(500_000_000)", limits).error, Contains("MemoryError"));
    limits.output_bytes = 1000;
    const JailedRun loud = python(jail, "while True: print('x' * 1000)", limits);
    CHECK(loud.end == End::too_much_output);
    CHECK(loud.output.size() == 1000);
    limits.disk_mb = 2;
    CHECK_THAT(python(jail, "f = open('big', 'wb')\nfor i in range(10): f.write(b'x' * 1_000_000)", limits).error, Contains("Error"));
  }
}

TEST_CASE("a fork bomb ends at its limits with nothing left running") {
  // Each goes on for 20 seconds, not for ever: should the jail be broken, the machine comes back.
  const char* bombs[] = {
      // waits for nobody
      "import os, time\nend = time.time() + 20\nwhile time.time() < end:\n    try: os.fork()\n    except OSError: pass\n",
      // leaves its group and session, closes its pipes, and goes on in the background
      "import os, time\nend = time.time() + 20\nfor i in range(20):\n    if os.fork() == 0:\n        os.setsid()\n        for fd in "
      "range(3): os.close(fd)\n        while time.time() < end:\n"
      "            try:\n                if os.fork() == 0: os.setsid()\n            except OSError: time.sleep(0.01)\n",
      // the shell's
      "import os, time\nos.execvp('sh', ['sh', '-c', 'f() { [ $(date +%%s) -lt %d ] && { f | f & }; }; f; sleep 20' % (time.time() + "
      "20)])\n"};
  for (const auto& [name, jail] : jails()) {
    for (const char* bomb : bombs) {
      INFO(name << "\n" << bomb);
      const std::string word = mark();
      JailLimits limits;
      limits.seconds = 1.0;
      limits.processes = 20;
      const Stopwatch clock;
      const JailedRun run = jail.run({"python3", "-I", "-c", bomb, word}, {}, "", limits);
      CHECK(clock.seconds() < 12.0);
      CHECK(run.end != End::too_much_output);
      CHECK(left_over(word) == 0);
    }
    // The limit itself: no more processes than that.
    JailLimits few;
    few.processes = 8;
    const JailedRun counted = python(jail,
                                     "import os, time\nn = 0\ntry:\n    while n < 100:\n        if os.fork() == 0: time.sleep(5); "
                                     "os._exit(0)\n        n += 1\nexcept OSError: pass\nprint(n)",
                                     few);
    CHECK(std::stoi("0" + counted.output) < 9);
    CHECK(std::stoi("0" + counted.output) > 0);
  }
}

TEST_CASE("a program that fills the disk ends at its limit and leaves nothing") {
  const Jail jail;
  const std::string many =
      "import os\nn = 0\ntry:\n    while n < 1000:\n        with open('f%d' % n, 'wb') as f: f.write(b'x' * 900_000)\n        n += "
      "1\nexcept OSError as e: print(n, e.errno)\n";
  JailLimits limits;
  limits.disk_mb = 8;
  const int before = scratch_folders();
  const JailedRun run = python(jail, many, limits);
  if (jail.has_namespaces()) {
    CHECK(run.output.rfind("9 28", 0) == 0);  // nine files of 0.9 MB and ENOSPC
  } else {
    WARN("no namespaces here: only the size of each file is bounded");
  }
  CHECK(scratch_folders() == before);
}

TEST_CASE("no network, no other processes, nothing of the machine to write, no way to root") {
  const Jail jail;
  if (!jail.has_namespaces()) {
    CHECK_THAT(jail.note(), Contains("network"));
    WARN("no namespaces here");
    return;
  }
  CHECK(jail.note().empty());
  const JailedRun run = python(jail, R"(import os, socket
def tried(f):
    try: f(); return 'yes'
    except OSError as e: return type(e).__name__
print(tried(lambda: socket.create_connection(('127.0.0.1', 22), 1)), sorted(os.listdir('/sys/class/net')) if False else '')
print([n for _, n in socket.if_nameindex()])
print(sum(p.isdigit() for p in os.listdir('/proc')) < 5, os.getpid() < 5)
print(tried(lambda: open('/etc/mine', 'w')), tried(lambda: open('/tmp/mine', 'w')), tried(lambda: open('../main.py', 'w')), tried(lambda: open('mine', 'w')))
print(os.getuid() != 0, tried(lambda: os.setuid(0)), tried(lambda: os.kill(1, 9)))
print(sorted(os.environ))
)");
  INFO(run.error);
  CHECK_THAT(run.output, Contains("OSError \n") || Contains("ConnectionRefusedError") || Contains("OSError"));
  CHECK_THAT(run.output, Contains("['lo']"));
  CHECK_THAT(run.output, Contains("True True\n"));
  CHECK_THAT(run.output, Contains(" yes\n") && !Contains("yes yes"));
  CHECK_THAT(run.output, Contains("True PermissionError"));
  CHECK_THAT(run.output, Contains("['HOME', 'LANG', 'OMP_NUM_THREADS', 'PATH', 'PYTHONDONTWRITEBYTECODE', 'TMPDIR']"));
}

TEST_CASE("many jails at once keep apart") {
  const Jail jail;
  std::vector<std::thread> threads;
  std::vector<std::string> outputs(6);
  for (std::size_t i = 0; i < outputs.size(); ++i)
    threads.emplace_back([&, i] {
      outputs[i] =
          python(jail, "import sys\nopen('x', 'w').write(sys.stdin.read())\nprint(open('x').read())", {}, std::to_string(i)).output;
    });
  for (std::thread& thread : threads) thread.join();
  for (std::size_t i = 0; i < outputs.size(); ++i) CHECK(outputs[i] == std::to_string(i) + "\n");
}

}  // namespace
}  // namespace grpo
