#!/usr/bin/env python3
"""Counts test cases in ctest's JUnit file: python3 tests/support/count.py RESULTS.xml CTEST_EXIT_CODE

One ctest entry may hold many cases; its own summary says how many (Catch2 2, unittest, or a line "N passed, N failed").
An entry without a summary is one case. An entry that failed counts at least one failure, whatever its summary says, so
a crash, a time-out or a leak found at exit is never lost. Skipped are the entries that end with SKIP_RETURN_CODE and the
Catch2 cases that say WARN("skipped: why"). The last line is "N passed, N failed[, N skipped]".
"""

import re
import sys
import xml.etree.ElementTree

CATCH_PASSED = re.compile(r"^All tests passed \(\d+ assertions? in (\d+) test cases?\)", re.MULTILINE)
CATCH_MIXED = re.compile(r"^test cases: *(\d+) \|(.*)$", re.MULTILINE)
CATCH_SKIP = re.compile(r"^(\S+:\d+): warning:\n\s*skipped: *(.*)$", re.MULTILINE)
NO_CASE = re.compile(r"^No tests ran", re.MULTILINE)
UNITTEST = re.compile(r"^Ran (\d+) tests? in [\d.]+s\n\n(?:OK|FAILED|NO TESTS RAN)(?: \((.*)\))?$", re.MULTILINE)
PLAIN = re.compile(r"^(?:\w+: )?(\d+) passed, (\d+) failed(?:, (\d+) skipped)?$", re.MULTILINE)


def named(text, word):
    """The number before (Catch2) or behind (unittest) a word, 0 if the word is not there."""
    found = re.search(rf"(\d+) {word}(?! as)|{word}=(\d+)", text or "")
    return int(found.group(1) or found.group(2)) if found else 0


def cases(output):
    """(passed, failed, reasons of the skipped) as the output itself reports; None if it reports nothing."""
    passed = failed = 0
    skips = dict(CATCH_SKIP.findall(output))
    summaries = 0
    for match in CATCH_PASSED.finditer(output):
        summaries, passed = summaries + 1, passed + int(match.group(1))
    for match in CATCH_MIXED.finditer(output):
        bad = named(match.group(2), "failed")
        summaries, passed, failed = summaries + 1, passed + int(match.group(1)) - bad, failed + bad
    passed -= min(passed, len(skips))
    reasons = list(skips.values())
    for match in UNITTEST.finditer(output):
        bad = named(match.group(2), "failures") + named(match.group(2), "errors")
        skipped = named(match.group(2), "skipped")
        summaries, passed, failed = summaries + 1, passed + int(match.group(1)) - bad - skipped, failed + bad
        reasons += ["see its output"] * skipped
    for match in PLAIN.finditer(output):
        summaries, passed, failed = summaries + 1, passed + int(match.group(1)), failed + int(match.group(2))
        reasons += ["see its output"] * int(match.group(3) or 0)
    return (passed, failed, reasons) if summaries or NO_CASE.search(output) else None


def count_entry(entry):
    """(passed, failed, reasons of the skipped) of one ctest entry."""
    status = entry.get("status")
    output = (entry.findtext("system-out") or "").replace("\r\n", "\n")
    skip = entry.find("skipped")  # ctest also says this of a test that could not be started, which is a failure
    if skip is not None and skip.get("message", "").startswith(("SKIP_", "Disabled")):
        lines = [line for line in output.splitlines() if line.strip()]
        return 0, 0, [lines[-1].strip() if lines else "no reason given"]
    passed, failed, reasons = cases(output) or (1 if status == "run" else 0, 0, [])
    if status != "run" or passed + failed + len(reasons) == 0:  # a test without a case tests nothing
        failed = max(failed, 1)
    return passed, failed, reasons


def main(path, ctest_code):
    try:
        entries = xml.etree.ElementTree.parse(path).getroot().findall(".//testcase")
    except (OSError, xml.etree.ElementTree.ParseError) as error:
        print(f"no test results: {error}")
        return 1
    total_passed = total_failed = total_skipped = 0
    for entry in entries:
        passed, failed, reasons = count_entry(entry)
        total_passed, total_failed, total_skipped = total_passed + passed, total_failed + failed, total_skipped + len(reasons)
        for reason in reasons:
            print(f"skipped in {entry.get('name')}: {reason}")
        if failed:
            print(f"FAILED: {entry.get('name')} ({failed} failed, {passed} passed)")
    if not total_passed + total_failed:
        print("nothing was tested: no ctest entry matches" if not entries else "nothing was tested")
    if ctest_code and not total_failed:
        print(f"ctest ended with code {ctest_code}")
    skipped = f", {total_skipped} skipped" if total_skipped else ""
    print(f"{total_passed} passed, {total_failed} failed{skipped}")
    return 0 if total_passed and not total_failed and not ctest_code else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], int(sys.argv[2])))
