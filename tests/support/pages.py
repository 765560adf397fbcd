"""The pages of the repository and their code blocks, for tests of the documentation. Standard library only."""

import dataclasses
import pathlib
import re
import shlex

ROOT = pathlib.Path(__file__).resolve().parents[2]
FENCE = re.compile(r"^ {0,6}(```+|~~~+)\s*([A-Za-z0-9_+-]*)")
MARK = re.compile(r"^\s*<!-- (run|file: (\S+)) -->\s*$")
SHELLS = {"bash", "sh", "shell", "console"}


@dataclasses.dataclass
class Block:
    line: int
    language: str  # of the fence; empty: none, or an indented block
    text: str
    run: bool = False  # marked <!-- run -->
    file: str = ""  # marked <!-- file: PATH -->


def pages():
    """Every page, by its path in the repository."""
    found = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md", *(ROOT / "docs").rglob("*.md"), *(ROOT / "examples").rglob("*.md")]
    return {str(path.relative_to(ROOT)): path.read_text(encoding="utf-8") for path in sorted(found)}


def split(text):
    """(blocks, text outside of blocks with lines kept)"""
    blocks, prose, lines, i, mark = [], [], text.splitlines(), 0, None
    while i < len(lines):
        fence = FENCE.match(lines[i])
        indented = lines[i].startswith("    ") and lines[i].strip() and (i == 0 or not lines[i - 1].strip()) and not in_list(lines, i)
        if not fence and not indented:
            mark = MARK.match(lines[i]) or (mark if not lines[i].strip() else None)
            prose.append(lines[i])
            i += 1
            continue
        first = i
        if fence:
            i += 1
            while i < len(lines) and not lines[i].strip().startswith(fence[1]):
                i += 1
            body, language = lines[first + 1 : i], fence[2].lower()
            i += 1
        else:
            while i < len(lines) and (lines[i].startswith("    ") or not lines[i].strip()):
                i += 1
            body, language = lines[first:i], ""
        margin = min((len(line) - len(line.lstrip()) for line in body if line.strip()), default=0)
        block = Block(first + 1, language, "\n".join(line[margin:] for line in body).rstrip() + "\n")
        if mark:
            block.run, block.file = mark[1] == "run", mark[2] or ""
        blocks.append(block)
        prose += [""] * (i - first)
        mark = None
    return blocks, "\n".join(prose)


def in_list(lines, i):
    """Whether an indented line belongs to a list item above it."""
    for line in reversed(lines[:i]):
        if line.strip() and not line.startswith("  "):
            return bool(re.match(r"([-*+]|\d+\.) ", line))
    return False


def commands(text):
    """The simple commands of a shell block, each a list of words; words of redirections and loops stay what they are."""
    found = []
    for line in text.replace("\\\n", " ").splitlines():
        lexer = shlex.shlex(line.lstrip("$ "), posix=True, punctuation_chars="|&;<>")
        lexer.whitespace_split, lexer.commenters = True, "#"
        words = []
        for word in [*lexer, ";"]:
            if not set(word) <= set("|&;"):
                words.append(word)
            elif words:
                found.append(words)
                words = []
    return found


def slugs(text):
    """What the headings of a page are linked to as."""
    _, prose = split(text)
    titles = re.findall(r"^#+ +(.*?) *#*$", prose, re.M)
    return {re.sub(r"[^\w\- ]", "", re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", title).replace("`", "").lower()).replace(" ", "-") for title in titles}
