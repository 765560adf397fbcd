"""Runs what pages mark for it, as it stands:  docs_blocks_test.py FOLDER_OF_PROGRAMS

The blocks under <!-- run --> of a page run one after the other with bash -eu, in a folder that looks like the repository after set-up; the blocks
under <!-- file: NAME --> are files there. What they write stays in that folder.
"""

import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import pages  # noqa: E402  (only now on the path)
from pages import ROOT  # noqa: E402

BIN = pathlib.Path(sys.argv.pop(1)).resolve() if len(sys.argv) > 1 and not sys.argv[1].startswith("-") else ROOT / "build/release/bin"


def look_alike(folder):
    """The tree by links, with the programs where set-up puts them."""
    for entry in ROOT.iterdir():
        if entry.name not in ("build", "outputs", "logs", ".git"):
            (folder / entry.name).symlink_to(entry)
    (folder / "build/release").mkdir(parents=True)
    (folder / "build/release/bin").symlink_to(BIN)


class Blocks(unittest.TestCase):
    def test_marked_blocks_run(self):
        ran = []
        for page, text in pages.pages().items():
            blocks, _ = pages.split(text)
            if not any(block.run for block in blocks):
                continue
            with self.subTest(page), tempfile.TemporaryDirectory() as folder:
                folder = pathlib.Path(folder)
                look_alike(folder)
                for block in blocks:
                    if block.file:
                        (folder / block.file).parent.mkdir(parents=True, exist_ok=True)
                        (folder / block.file).write_text(block.text)
                    elif block.run:
                        done = subprocess.run(["bash", "-euo", "pipefail", "-c", block.text], cwd=folder, capture_output=True, text=True, timeout=240,
                                              env=dict(os.environ, OMP_NUM_THREADS=os.environ.get("OMP_NUM_THREADS", "2")))
                        self.assertEqual(done.returncode, 0, f"{page}:{block.line}:\n{block.text}\n{done.stdout}\n{done.stderr}")
                        ran.append(f"{page}:{block.line}")
        print("ran", ", ".join(ran))
        self.assertGreaterEqual(len([name for name in ran if name.startswith("docs/getting-started.md")]), 3)


if __name__ == "__main__":
    unittest.main()
