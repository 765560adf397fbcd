#!/usr/bin/env python3
"""What a person sees on a terminal, through a terminal emulator: python3 tests/e2e/terminal_test.py FOLDER_WITH_THE_PROGRAMS

Needs the package pyte (tests/oracle/requirements.txt).
"""

import fcntl
import os
import pathlib
import pty
import re
import struct
import subprocess
import sys
import termios
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from case import ROOT, Case  # noqa: E402

import pyte  # noqa: E402


class Terminal(Case):
    def run_on_terminal(self, out, columns, *words, **environment):
        """Runs to the end on a terminal so wide. Returns its screen, with what scrolled out above it, and the raw bytes."""
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
        env = {k: v for k, v in os.environ.items() if k != "NO_COLOR"}
        process = subprocess.Popen(self.command(out, *words), stdin=theirs, stdout=theirs, stderr=theirs, cwd=ROOT, close_fds=True,
                                   env={**env, "TERM": "xterm-256color", **environment})
        os.close(theirs)
        raw = b""
        while True:
            try:
                part = os.read(ours, 65536)
            except OSError:
                break
            if not part:
                break
            raw += part
        os.close(ours)
        self.assertEqual(process.wait(timeout=60), 0, raw.decode(errors="replace"))
        screen = pyte.HistoryScreen(columns, 40, history=2000, ratio=1.0)
        pyte.ByteStream(screen).feed(raw)
        above = ["".join(row[x].data for x in range(columns)).rstrip() for row in screen.history.top]
        return above + [line.rstrip() for line in screen.display], raw

    def test_one_block_whatever_the_number_of_steps(self):
        for columns in (120, 80, 40, 24):
            with self.subTest(columns=columns):
                lines, _ = self.run_on_terminal(self.dir / f"live-{columns}", columns, "--max_steps", 6)
                starts = [i for i, line in enumerate(lines) if re.match(r"step +\d+/", line)]
                self.assertEqual(len(starts), 1, "\n".join(lines))
                block = lines[starts[0]:starts[0] + 6]
                self.assertEqual([line.split()[0] for line in block], ["step", "reward", "policy", "length", "time", "memory"])
                self.assertIn("6/6", block[0])
                if columns >= 80:
                    self.assertIn("100 %", block[0])
                    self.assertRegex(block[1], r"[▁-█]{6}")
                    self.assertRegex(block[2], r"kl \d")
                    self.assertRegex(block[5], r"checkpoint (4|6), \d+s ago")

    def test_warnings_stand_above_the_block_once(self):
        lines, _ = self.run_on_terminal(self.dir / "warned", 200, "--max_steps", 6, "--reward_funcs", "format", "--stop_sequences", "\x01")
        text = "\n".join(lines)
        self.assertEqual(text.count("No group teaches anything"), 1, text)
        self.assertEqual(text.count("Most completions end at the cap"), 1, text)
        self.assertLess(text.index("No group teaches anything"), re.search(r"\nstep +\d+/", text).start())

    def test_completions_are_printed_without_control_characters(self):
        lines, raw = self.run_on_terminal(self.dir / "printed", 100, "--max_steps", 2, "--num_completions_to_print", 2, NO_COLOR="1")
        shown = [line for line in lines if re.match(r"    +-?\d+\.\d{3}  ", line)]
        self.assertGreaterEqual(len(shown), 4, "\n".join(lines))
        for code in (b"\x1b[3", b"\x1b[1m", b"\x1b[2m", b"\x00", b"\x07", b"\x08"):
            self.assertNotIn(code, raw)

    def test_colours_unless_told_otherwise(self):
        _, raw = self.run_on_terminal(self.dir / "coloured", 80, "--max_steps", 1)
        self.assertIn(b"\x1b[34m", raw)
        _, raw = self.run_on_terminal(self.dir / "plain", 80, "--max_steps", 1, NO_COLOR="1")
        self.assertNotIn(b"\x1b[34m", raw)

    def test_piped_output_is_plain_lines_and_quiet_is_quiet(self):
        code, stdout, stderr = self.run_train(self.dir / "piped", "--max_steps", 3)
        self.assertEqual((code, "\x1b" in stdout + stderr), (0, False))
        self.assertEqual(len([line for line in stdout.splitlines() if re.match(r"step +\d+/", line)]), 3)
        code, stdout, _ = self.run_train(self.dir / "quiet", "--max_steps", 3, "--quiet")
        self.assertEqual((code, stdout), (0, ""))


if __name__ == "__main__":
    unittest.main(verbosity=2)
