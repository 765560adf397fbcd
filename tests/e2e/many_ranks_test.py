#!/usr/bin/env python3
"""Several ranks of grpo_train as real processes: python3 tests/e2e/many_ranks_test.py FOLDER_WITH_THE_PROGRAMS

The same run on one to four ranks; signals; ranks killed while they sample and while they train. Standard library only.
"""

import pathlib
import signal
import socket
import sys
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from ranks import ALL_END_WITHIN, RankCase, Ranks  # noqa: E402


class ManyRanks(RankCase):
    def straight(self):
        if not hasattr(ManyRanks, "one"):
            ManyRanks.one = self.dir / "one"
            codes, _, errs = self.ranks(ManyRanks.one, 1, "--log_completions").wait()
            self.assertEqual(codes, [0], errs)
        return self.metrics(ManyRanks.one)

    def test_two_three_and_four_ranks_take_the_course_of_one(self):
        straight = self.straight()
        self.assertGreater(min(line["grad_norm"] for line in straight), 0.0, "a run that learns")
        for size in (2, 3, 4):
            out = self.dir / f"ranks{size}"
            codes, outs, errs = self.ranks(out, size, "--log_completions", "--ddp_bucket_cap_mb", 1).wait()
            self.assertEqual(codes, [0] * size, errs)
            self.assert_same_course(straight, self.metrics(out))
            self.assertEqual(self.first_completions(ManyRanks.one), self.first_completions(out))
            self.assertTrue(outs[0] and not any(outs[1:]), "rank 0 alone speaks")

    def test_a_signal_to_one_rank_stops_all_and_another_number_goes_on(self):
        out = self.dir / "signal"
        ranks = self.ranks(out, 3)
        self.until_step(out, 3)
        ranks.processes[1].send_signal(signal.SIGUSR1)
        codes, _, errs = ranks.wait()
        self.assertEqual(codes, [75] * 3, errs)
        codes, _, errs = self.ranks(out, 2).wait()
        self.assertEqual(codes, [0] * 2, errs)
        self.assert_same_course(self.straight(), self.metrics(out))

    def test_ranks_of_different_recipes_are_told_apart(self):
        out = self.dir / "apart"
        commands = [self.command(out, "--max_steps", 8, "--beta", beta) for beta in ("0.02", "0.5")]
        codes, _, errs = Ranks(commands).wait()
        self.assertNotIn(0, codes)
        self.assertIn('rank 0 has "beta = 0.02", rank 1 has "beta = 0.5"', errs[0] + errs[1])

    def test_all_end_when_one_is_killed_and_the_run_goes_on(self):
        long_sampling = ("--min_completion_length", 400, "--max_completion_length", 400, "--soft_punish_cache", 400, "--max_steps", 500)
        much_training = ("--num_iterations", 400, "--max_steps", 4000)
        cases = {}
        for name, victim, words in (("sample", 1, long_sampling), ("train", 2, much_training), ("meeting_point", 0, much_training)):
            cases[name] = (self.ranks(self.dir / name, 3, *words), victim)
        for name, (ranks, victim) in cases.items():
            self.until_step(self.dir / name, 2)
        time.sleep(1.5)  # where the meeting point dies too, the others know the phase as of their last look, a second ago at most
        # The kill meets whichever phase a step is in; "start" would mean that nobody had looked.
        phases = {"prompts", "sample", "reward", "reference", "score", "train", "sum", "gather", "optimizer", "refresh", "checkpoint"}
        killed = time.monotonic()
        for ranks, victim in cases.values():
            ranks.processes[victim].send_signal(signal.SIGKILL)
        for name, (ranks, victim) in cases.items():
            codes, _, errs = ranks.wait(ALL_END_WITHIN - (time.monotonic() - killed))
            for rank in range(3):
                if rank == victim:
                    continue
                self.assertEqual(codes[rank], 4, errs[rank])
                self.assertIn(f"rank {victim} of 3 on {socket.gethostname()}", errs[rank])
                phase = errs[rank].split('last in phase "')[1].split('"')[0]
                self.assertIn(phase, phases, errs[rank])
        self.assertLess(time.monotonic() - killed, ALL_END_WITHIN)
        out = self.dir / "sample"
        done = len(self.metrics(out))
        codes, _, errs = self.ranks(out, 2, *long_sampling, "--max_steps", done + 2).wait()
        self.assertEqual(codes, [0] * 2, errs)
        self.assertEqual([line["step"] for line in self.metrics(out)], list(range(1, done + 3)))


if __name__ == "__main__":
    unittest.main()
