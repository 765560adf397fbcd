#!/usr/bin/env python3
"""Kills and faults, after each of which a run must end as if nothing had happened: python3 tests/torture/drill.py FOLDER_WITH_THE_PROGRAMS
[--short] [--seed N] [--kills N] [--only NAME ...]

Runs of a tiny model are killed at random moments (seeded), meet full disks, folders that cannot be written, damaged checkpoints, clocks that
jump, servers and reward programs that die. After each, metrics.jsonl (timings aside) and the model equal the undisturbed run's to the last
bit. Ends with a table. Standard library and a C++ compiler.
"""

import argparse
import collections
import json
import pathlib
import random
import subprocess
import sys
import time
import traceback

HERE = pathlib.Path(__file__).resolve().parent
BIN = sys.argv[1] if len(sys.argv) > 1 else "build/release/bin"  # before case.py takes it
sys.path.insert(0, str(HERE))
from course import KINDS, Courses  # noqa: E402
import trouble  # noqa: E402

SHARES = {"one rank": 0.52, "MaxEnt": 0.2, "two ranks": 0.14, "async": 0.14}
IN_SHORT = {"one rank": 8, "MaxEnt": 3, "two ranks": 2, "async": 0}
AT_A_TIME = 20


class Drill:
    def __init__(self, options):
        self.options, self.rows, self.kills = options, [], collections.Counter()
        self.courses = Courses()
        self.courses.library = trouble.build_library(self.courses.dir)

    def wanted(self, name):
        return not self.options.only or name in self.options.only

    def record(self, name, work):
        """Does `work`, which returns a remark, and keeps whether it held."""
        begun = time.monotonic()
        try:
            remark, held = work(), True
        except trouble.NotHere as reason:
            remark, held = str(reason), None
        except Exception as problem:  # of the drill as well: it counts as one that did not hold
            remark, held = f"{type(problem).__name__}: {problem}", False
            traceback.print_exc()
        self.rows.append((name, held, remark, time.monotonic() - begun))
        print(f"{name}: {'ok' if held else 'SKIPPED' if held is None else 'FAILED'} ({time.monotonic() - begun:.1f} s)  {remark}", flush=True)

    def kill_all(self, kind, number):
        chance = random.Random(f"{self.options.seed} {kind}")
        while number > 0:
            before = sum(self.kills.values())
            self.record(f"kills, {kind}", lambda: self.one_course(kind, min(number, AT_A_TIME), chance))
            number -= max(1, sum(self.kills.values()) - before)

    def one_course(self, kind, most, chance):
        kills = self.courses.course(kind, most, chance)
        self.kills.update(kills)
        return f"{len(kills)} kills: " + ", ".join(f"{name} in {phase} {n}" for (name, phase), n in sorted(collections.Counter(kills).items()))

    def run(self):
        for kind in KINDS:
            number = IN_SHORT[kind] if self.options.short else round(SHARES[kind] * self.options.kills)
            if self.wanted(kind):
                self.kill_all(kind, number)
        for name, fault in trouble.FAULTS.items():
            if self.wanted(name) and (not self.options.short or name in trouble.IN_SHORT):
                self.record(name, lambda: fault(self.courses))
        self.courses.close()

    def table(self):
        phases = ["start", "step", "save", "end"]
        print("\nkills       " + "".join(f"{phase:>8}" for phase in phases) + "   total")
        for name in ("SIGKILL", "SIGTERM"):
            numbers = [self.kills[name, phase] for phase in phases]
            print(f"{name:<12}" + "".join(f"{n:>8}" for n in numbers) + f"{sum(numbers):>8}")
        print(f"\n{'run or fault':<44}{'seconds':>8}  end equal to the undisturbed run's")
        for name, held, remark, seconds in self.rows:
            print(f"{name:<44}{seconds:>8.1f}  {'yes' if held else 'not tried' if held is None else 'NO'}; {remark.splitlines()[0] if remark else ''}")
        passed, failed = (sum(held is want for _, held, _, _ in self.rows) for want in (True, False))
        skipped = len(self.rows) - passed - failed
        print(f"\nseed {self.options.seed}, {sum(self.kills.values())} kills, {sum(not name.startswith('kills') for name, *_ in self.rows)} faults")
        print(f"{passed} passed, {failed} failed" + (f", {skipped} skipped" if skipped else ""))
        return failed == 0 and passed > 0


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--short", action="store_true")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--kills", type=int, default=104)
    parser.add_argument("--only", nargs="*", default=[], help="kinds of runs or faults, by name")
    parser.add_argument("--inside", nargs=2, help=argparse.SUPPRESS)  # a fault in a name space of its own
    options = parser.parse_args()
    if options.inside:
        trouble.inside(*options.inside)
        return 0
    drill = Drill(options)
    drill.run()
    return 0 if drill.table() else 1


if __name__ == "__main__":
    sys.exit(main())
