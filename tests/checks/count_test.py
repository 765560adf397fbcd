"""tests/support/count.py on the outputs that ctest, Catch2 and unittest really print; a case lost here is lost for CI."""

import contextlib
import io
import pathlib
import sys
import tempfile
import unittest
from xml.sax.saxutils import escape

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import count  # noqa: E402  (only now on the path)

ALL_PASSED = "All tests passed (5 assertions in 2 test cases)\n\n"
MIXED = "test cases: 3 | 2 passed | 1 failed\nassertions: 9 | 8 passed | 1 failed\n\n"
EXPECTED = "test cases: 3 | 2 passed | 1 failed as expected\nassertions: 9 | 8 passed | 1 failed as expected\n"
SKIP = "....\ntests/a_test.cpp:7: warning:\n  skipped: no model here\n\n" + ALL_PASSED


def entry(status, output, inside=""):
    return f'<testcase name="t" status="{status}">{inside}<system-out>{escape(output)}</system-out></testcase>'


def counted(*entries, code=0):
    """(last line, exit code) of the count."""
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "r.xml"
        path.write_text(f"<testsuite>{''.join(entries)}</testsuite>", encoding="utf-8")
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            result = count.main(str(path), code)
        return out.getvalue().splitlines()[-1], result


class Count(unittest.TestCase):
    def test_catch2_cases_are_counted_not_entries(self):
        self.assertEqual(counted(entry("run", ALL_PASSED), entry("run", "anything")), ("3 passed, 0 failed", 0))
        self.assertEqual(counted(entry("fail", MIXED), code=8), ("2 passed, 1 failed", 1))
        self.assertEqual(counted(entry("run", EXPECTED)), ("3 passed, 0 failed", 0))

    def test_a_crash_or_time_out_is_a_failure(self):
        self.assertEqual(counted(entry("fail", ""), code=8), ("0 passed, 1 failed", 1))
        self.assertEqual(counted(entry("fail", ALL_PASSED), code=8), ("2 passed, 1 failed", 1))  # leak found at exit

    def test_not_started_is_a_failure(self):
        skipped = '<skipped message="Unable to find executable"/>'
        self.assertEqual(counted(entry("notrun", "", skipped), code=8), ("0 passed, 1 failed", 1))

    def test_skipped(self):
        skipped = '<skipped message="SKIP_RETURN_CODE=77"/>'
        self.assertEqual(counted(entry("run", SKIP), entry("notrun", "why", skipped)), ("1 passed, 0 failed, 2 skipped", 0))

    def test_unittest_and_plain(self):
        good = "..\n------\nRan 2 tests in 0.5s\n\nOK (skipped=1)\n"
        bad = "..\n------\nRan 4 tests in 0.5s\n\nFAILED (failures=1, errors=1)\n"
        plain = "3 passed, 0 failed, 1 skipped\n"
        self.assertEqual(counted(entry("run", good)), ("1 passed, 0 failed, 1 skipped", 0))
        self.assertEqual(counted(entry("fail", bad), code=8), ("2 passed, 2 failed", 1))
        self.assertEqual(counted(entry("run", plain)), ("3 passed, 0 failed, 1 skipped", 0))

    def test_nothing_tested_is_no_success(self):
        self.assertEqual(counted(), ("0 passed, 0 failed", 1))
        self.assertEqual(counted(entry("run", "No tests ran\n")), ("0 passed, 1 failed", 1))
        self.assertEqual(count.main("/nonexistent.xml", 0), 1)

    def test_ctest_code_is_never_swallowed(self):
        self.assertEqual(counted(entry("run", "fine"), code=8)[1], 1)


if __name__ == "__main__":
    unittest.main()
