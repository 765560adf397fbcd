"""Builds the docs site:  python docs/build_site.py SOURCE OUTPUT GRPO_INSPECT VERSION

    OUTPUT/src      what Sphinx reads: a copy of docs/ with the pages that are made (configuration.md, what index.md lists), beside links
                    to the rest of the tree, so that links from a page to a file of the tree are checked like any other
    OUTPUT/headers  the headers as doxygen reads them: comments made literal (see plain_comments)
    OUTPUT/html     the site; html/api is doxygen's

Warnings are errors, of Sphinx (docs/requirements.txt) and of doxygen. Run by the target docs: cmake --build build/dev --target docs
"""

import importlib.util
import os
import pathlib
import re
import shutil
import subprocess
import sys

PREAMBLE = """# Configuration reference

Every option of a recipe, section by section, in the order of the data's way. This page is what `grpo_inspect options` prints, so it says
what the programs do. Options are spelled alike in TOML, in YAML and on the command line (`--name value`); what the programs
have besides, such as `--prompt` or `--port`, their `--help` lists first. [objectives.md](objectives.md) has the formulas behind
`[objective]` and `[maxent]`.
"""
FIELDS = re.compile(r"^(shape|unit|grad|throws|cost|thread): ", re.M)


def plain_comments(text, name):
    """A header whose documentation says to doxygen what it says to a reader: `\\frac`, `<think>` and `#` are no commands.

    The comment at the top is about the file, and the fixed words of the house (throws:, cost: ...) become headings.
    """
    lines, inside = [], False
    for line in text.splitlines():
        found = re.match(r"(.*?//[/!]<? ?)(.*)$", line)
        if found and '"' not in found[1]:
            code = found[2].startswith("    ") and found[1].strip() in ("///", "//!")  # an indented block, which is shown as it is
            comment = found[2] if code else "`".join(part if i % 2 else re.sub(r"([\\@<>#&$%])", r"\\\1", part) for i, part in enumerate(found[2].split("`")))
            line = found[1] + FIELDS.sub(r"@par \1\n", comment).replace("\n", "\n/// ")
        lines.append(line)
    top = [f"/// @file {name}"] if text.startswith("///") else []
    return "\n".join(top + lines) + "\n"


def write_headers(source, target):
    for header in sorted((source / "libgrpo").rglob("*.hpp")):
        if header.name == "precompiled.hpp":
            continue
        place = target / header.relative_to(source)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(plain_comments(header.read_text(), header.relative_to(source)))
    (target / "mainpage.md").write_text((source / "docs" / "api" / "mainpage.md").read_text())


def write_pages(source, target, inspect):
    """A copy of docs/, with every page in the index, beside links to what else is in the tree."""
    for entry in source.iterdir():
        if entry.name not in ("docs", "build", "outputs", "logs") and not entry.name.startswith("."):
            (target / entry.name).symlink_to(entry)
    pages = target / "docs"
    shutil.copytree(source / "docs", pages)
    for page in pages.rglob("*.md"):  # a folder is a good place to link to on a forge, and nothing that a site has
        page.write_text(re.sub(r"\[([^\[\]]*)\]\(([^)#:\s]+)\)", lambda link: link[1] if (page.parent / link[2]).is_dir() else link[0], page.read_text()))
    options = subprocess.run([inspect, "options"], capture_output=True, text=True, check=True).stdout
    (pages / "configuration.md").write_text(PREAMBLE + options)
    index = (pages / "index.md").read_text()
    others = [page.stem for page in sorted(pages.glob("*.md")) if page.stem != "index" and not re.search(rf"^{page.stem}$", index, re.M)]
    (pages / "index.md").write_text(index.replace("OTHER_PAGES", "\n".join(others)))


def main(source, output, inspect, version):
    source, output = pathlib.Path(source).resolve(), pathlib.Path(output).resolve()
    if not shutil.which("doxygen") or not importlib.util.find_spec("myst_parser") or not importlib.util.find_spec("furo"):
        print(f"docs: needs doxygen, and in {sys.executable} what docs/requirements.txt lists")
        return 77
    shutil.rmtree(output, ignore_errors=True)
    (output / "headers").mkdir(parents=True)
    (output / "src").mkdir()
    write_headers(source, output / "headers")
    write_pages(source, output / "src", inspect)
    site = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-b", "html", output / "src" / "docs", output / "html"]
    ok = subprocess.run(site, env=dict(os.environ, LIBGRPO_VERSION=version)).returncode == 0
    settings = (source / "docs" / "api" / "Doxyfile").read_text() + f"PROJECT_NUMBER = {version}\nOUTPUT_DIRECTORY = {output / 'html'}\n"
    ok = subprocess.run(["doxygen", "-"], input=settings, text=True, cwd=output / "headers").returncode == 0 and ok
    if ok:
        print(f"docs: {output / 'html' / 'index.html'}")
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
