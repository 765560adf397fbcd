"""The parts of benchmarks/ that measure nothing: medians and ratios, RESULTS.md, the plot, the random models, a child's figures."""

import json
import pathlib
import struct
import sys
import tempfile
import unittest
import xml.etree.ElementTree

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "benchmarks"))
import child  # noqa: E402  (only now on the path)
import models  # noqa: E402
import plot  # noqa: E402
import report  # noqa: E402
import result  # noqa: E402
import stats  # noqa: E402


def row(**other):
    made = result.Result("A row")
    made.table(["a", "b"], [[1, "x|y"]], "Caption:")
    made.at_most("at most 0.5", 0.5, stats.sample([0.4, 0.6, 0.3]))
    made.at_least("at least 2", 2.0, stats.sample([1.5]))
    made.goal("a third", "nothing to compare", None)
    made.command("run it")
    made.command("run it")
    return {"name": "row", "title": made.title, "tables": made.tables, "verdicts": made.verdicts, "notes": ["a note"], "commands": made.commands,
            "missing": [], "seconds": 7.0, "commit": "abc", "when": "today", **other}


class Stats(unittest.TestCase):
    def test_median_and_spread(self):
        sample = stats.sample([3, 1, 2, 10])
        self.assertEqual((sample.median, sample.low, sample.high, sample.mean), (2.5, 1, 10, 4))
        self.assertEqual(sample.show(1), "2.5 (1.0 to 10.0, n = 4)")
        self.assertEqual(stats.sample([1500]).show(1, 1e-3), "1.5 (n = 1)")
        with self.assertRaises(ValueError):
            stats.sample([])

    def test_ratios_go_round_by_round(self):
        self.assertEqual(stats.ratios([1, 9], [2, 3]).values, (0.5, 3.0))  # the ratio of the medians would be 2
        with self.assertRaises(ValueError):
            stats.ratios([1], [2, 3])

    def test_line(self):
        base, slope, off = stats.line_fit([1, 2, 4], [5, 7, 11])
        self.assertAlmostEqual(base, 3)
        self.assertAlmostEqual(slope, 2)
        self.assertAlmostEqual(off, 0)
        self.assertGreater(stats.line_fit([1, 2, 4], [1, 4, 16])[2], 0.15)
        with self.assertRaises(ValueError):
            stats.line_fit([1, 1], [1, 2])

    def test_time_until_it_holds(self):
        self.assertEqual(stats.time_until([0.5, 0.95, 0.5, 0.9, 1.0], [1, 2, 4, 8, 16], 0.9), 15)  # one good step does not hold
        self.assertIsNone(stats.time_until([0.5, 0.95], [1, 2], 0.9))
        self.assertEqual(stats.time_until([1.0, 1.0], [1, 2], 0.9), 1)


class Report(unittest.TestCase):
    def test_verdicts(self):
        text = report.results_md([["commit", "abc"]], [row()], [], "cmd")
        self.assertIn("1 goals met, 1 missed, 1 not measured.", text)
        self.assertIn("| at most 0.5 | 0.40 (0.30 to 0.60, n = 3) | met |", text)
        self.assertIn("| at least 2 | 1.50 (n = 1) | **missed** |", text)
        self.assertIn("| a third | nothing to compare | not measured |", text)

    def test_section(self):
        text = report.results_md([["commit", "abc"]], [row()], [], "cmd")
        self.assertIn("Caption:\n\n| a | b |\n|---|---|\n| 1 | x\\|y |", text)
        self.assertEqual(text.count("    run it"), 1)
        self.assertIn("- a note", text)
        self.assertNotIn("not of the one above", text)
        self.assertNotIn("--quick", text)

    def test_another_commit_and_quick_are_said(self):
        text = report.results_md([["commit", "def"]], [row()], [], "cmd", quick=True)
        self.assertIn("of commit abc, not of the one above", text)
        self.assertIn("the figures mean nothing", text)

    def test_not_measured(self):
        text = report.results_md([], [], [("a GPU", "there is none")], "cmd")
        self.assertIn("## Not measured here\n\n- a GPU: there is none.", text)
        self.assertNotIn("## Goals", text)


class Parts(unittest.TestCase):
    def test_plot_is_svg(self):
        root = xml.etree.ElementTree.fromstring(plot.svg({"a & b": [(1, 1.0), (2, 2.0), (4, 4.0)]}, "x", "y"))
        line = next(root.iter("{http://www.w3.org/2000/svg}polyline"))
        points = [tuple(map(float, point.split(","))) for point in line.get("points").split()]
        self.assertAlmostEqual(points[1][0] - points[0][0], points[2][0] - points[1][0], places=0)  # doubling is a step of one length
        self.assertGreater(points[0][1], points[2][1])  # upwards

    def test_random_model(self):
        shape = models.Shape(64, 2, 300)
        with tempfile.TemporaryDirectory() as folder:
            models.write_model(folder, shape)
            data = (pathlib.Path(folder) / "model.safetensors").read_bytes()
            tokens = json.loads((pathlib.Path(folder) / "tokenizer.json").read_text())["model"]["vocab"]
        size = struct.unpack("<Q", data[:8])[0]
        header = json.loads(data[8 : 8 + size])
        self.assertEqual(len(data) - 8 - size, max(entry["data_offsets"][1] for entry in header.values()))
        self.assertEqual(header["model.embed_tokens.weight"]["shape"], [300, 64])
        self.assertEqual({*tokens.values(), 256, 257}, set(range(300)))  # each id has a spelling
        self.assertEqual(shape.matrix_parameters(), 2 * (2 * 64 * 64 + 2 * 32 * 64 + 3 * 64 * 192))

    def test_child_is_measured_alone(self):
        big = child.run([sys.executable, "-c", "x = b'1' * 200_000_000; print('line'); print(len(x))"], 1)
        small = child.run([sys.executable, "-c", "print(1)"], 1)
        self.assertEqual([line for _, line in big.lines], ["line", "200000000"])
        self.assertGreater(big.peak_bytes - small.peak_bytes, 150e6)  # not the largest of all children so far
        with self.assertRaisesRegex(child.Failed, "(?s)exit code 3.*why"):
            child.run([sys.executable, "-c", "import sys; print('why', file=sys.stderr); sys.exit(3)"], 1)

    def test_server_passes_over_chatter(self):
        server = child.Server([sys.executable, "-c", "import sys\nfor l in sys.stdin: print('noise'); print('= ' + l.strip()[::-1], flush=True)"], 1)
        self.assertEqual([server.ask("ab"), server.ask("cd")], ["ba", "dc"])
        server.close()
        gone = child.Server([sys.executable, "-c", "import sys; sys.exit('broken')"], 1)
        with self.assertRaisesRegex(child.Failed, "broken"):
            gone.ask("1")
        gone.close()


if __name__ == "__main__":
    unittest.main()
