"""cmake/pre_commit.sh in a repository of its own: what it mends, what it refuses, and what it leaves alone."""

import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
FORMATTER = next((str(p) for p in (ROOT / ".venv/bin/clang-format",) if p.exists()), shutil.which("clang-format"))
UGLY = "int   f( int a ){return a;}\n"


class PreCommit(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.dir = pathlib.Path(scratch.name)
        for name in ("cmake/pre_commit.sh", "cmake/check_layers.py", ".clang-format"):
            (self.dir / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, self.dir / name)
        if FORMATTER:
            (self.dir / ".venv/bin").mkdir(parents=True)
            (self.dir / ".venv/bin/clang-format").symlink_to(FORMATTER)
        self.write("libgrpo/base/a.hpp", "#pragma once\n")
        self.write(".gitignore", ".venv\n")
        self.git("init", "-q")
        self.assertEqual(self.commit("first")[0], 0)
        self.assertEqual(self.run_in("bash", "cmake/pre_commit.sh", "--install").returncode, 0)

    def run_in(self, *words):
        return subprocess.run(words, cwd=self.dir, capture_output=True, text=True, timeout=60)

    def git(self, *words):
        return self.run_in("git", "-c", "user.name=n", "-c", "user.email=e@example.org", *words)

    def write(self, name, text):
        (self.dir / name).parent.mkdir(parents=True, exist_ok=True)
        (self.dir / name).write_text(text)

    def commit(self, message):
        self.git("add", "-A")
        done = self.git("commit", "-q", "-m", message)
        return done.returncode, done.stderr

    def committed(self, name):
        return self.git("show", f"HEAD:{name}").stdout

    @unittest.skipUnless(FORMATTER, "no clang-format")
    def test_changed_lines_are_formatted_and_others_are_not(self):
        self.write("libgrpo/base/a.hpp", "#pragma once\n" + UGLY)
        self.git("add", "-A")
        self.git("commit", "-q", "--no-verify", "-m", "from before")
        self.write("libgrpo/base/a.hpp", "#pragma once\n" + UGLY + "\n" + UGLY.replace("f", "g"))
        self.assertEqual(self.commit("more")[0], 0)
        self.assertEqual(self.committed("libgrpo/base/a.hpp"), "#pragma once\n" + UGLY + "\nint g(int a) { return a; }\n")
        self.assertEqual(self.git("status", "--porcelain").stdout, "")

    @unittest.skipUnless(FORMATTER, "no clang-format")
    def test_half_staged_files_are_refused_if_ugly_and_never_touched(self):
        self.write("libgrpo/base/a.hpp", "#pragma once\n" + UGLY)
        self.git("add", "-A")
        self.write("libgrpo/base/a.hpp", "#pragma once\n" + UGLY + "// not staged\n")
        done = self.git("commit", "-q", "-m", "half")
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("libgrpo/base/a.hpp: not formatted", done.stderr)
        self.assertIn("not staged", (self.dir / "libgrpo/base/a.hpp").read_text())

    def refused(self, name, text, why):
        self.write(name, text)
        code, said = self.commit("bad")
        self.assertNotEqual(code, 0, name)
        self.assertIn(why, said)
        self.git("rm", "-q", "-f", name)

    def test_refused(self):
        self.refused("page.md", "words \n", "page.md:1: trailing whitespace")
        self.refused("run.sh", "if true; then\n", "run.sh: does not parse")
        self.refused("run.py", "def f(:\n", "run.py: does not parse")
        self.refused("big.bin", "x" * 1_000_001 + "\n", "big.bin: above 1 MB")
        self.refused("libgrpo/base/b.cpp", '#include "libgrpo/trainer/trainer.hpp"\n', "libgrpo/base/b.cpp:1:")

    def test_good_is_taken(self):
        self.write("run.py", "print(1)\n")
        self.write("libgrpo/base/b.cpp", '#include "libgrpo/base/a.hpp"\n')
        code, said = self.commit("good")
        self.assertEqual(code, 0, said)


if __name__ == "__main__":
    sys.dont_write_bytecode = True
    unittest.main()
