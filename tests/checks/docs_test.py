"""Pages say what is there: links, and the programs, options and files that their shell blocks name.  docs_test.py FOLDER_OF_PROGRAMS

A block is taken for shell if its fence says so, or if it begins with a program that is known here. What pages name is looked up in the
tree and in the --help of the programs; tests/e2e/docs_blocks_test.py runs the blocks that are marked for it.
"""

import functools
import glob
import json
import pathlib
import re
import subprocess
import sys
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import pages  # noqa: E402  (only now on the path)
from pages import ROOT  # noqa: E402

BIN = pathlib.Path(sys.argv.pop(1)).resolve() if len(sys.argv) > 1 and not sys.argv[1].startswith("-") else ROOT / "build/release/bin"
APPS = set(re.findall(r"^grpo_app\((\w+)", (ROOT / "apps/CMakeLists.txt").read_text(), re.M))
MADE = {"docs/configuration.md"}  # when the site is built
# Programs that are not ours. A page that needs another one adds it here.
OTHERS = set("""apt-get awk bash cat ccache cd clang-format clang-tidy cmake cpack ctest curl cut docker dpkg-deb echo export for git grep g++ head hf ls make
    mkdir module mpirun ninja nvidia-smi perf pip pip3 python python3 scancel sbatch sed sh shellcheck source squeue srun sudo tail tar tensorboard torchrun
    trl vllm wait wandb wget xdg-open .venv/bin/python .venv/bin/pip""".split())
OURS = re.compile(r"^(apps|benchmarks|cmake|docs|examples|libgrpo|recipes|tests)/[\w./*-]+$|^training\.sh$")
# A word that stands for another one: FILE, my.toml, <folder>, $HOME/x, ...
STAND_IN = re.compile(r"^[A-Z_]+$|[<>${}]|^\.\.\.$|…")


@functools.lru_cache(None)
def options(program, command=""):
    """Names of the options that --help lists."""
    done = subprocess.run([BIN / program, *([command] if command else []), "--help"], capture_output=True, text=True, timeout=60)
    return {"help", "version", *re.findall(r"^  --(\w+)", done.stdout, re.M)}


def first_words(words):
    """Without variables in front, and without what only changes how a command runs."""
    while words and (re.match(r"^\w+=", words[0]) or words[0] in ("sudo", "time", "exec", "env", "nohup")):
        words = words[1:]
    return words[3:] if words[:2] == ["nice", "-n"] else words


def name_of(word):
    return word.rsplit("/", 1)[-1] if re.match(r"^(\$?\w+/)*(build/\w+/)?bin/", word) or "/" not in word else word


def is_known(word):
    return word in OTHERS or "/bin/" in word or re.fullmatch(r"(example|test|grpo|maxent_grpo)_[\w-]+", name_of(word))


def is_shell(block):
    if block.language:
        return block.language in pages.SHELLS
    try:
        first = first_words(pages.commands(block.text.splitlines()[0])[0])
    except (IndexError, ValueError):
        return False
    return bool(first) and is_known(first[0])


def wrong_options(program, words):
    """Complaints about what follows the program's name."""
    command = ""
    if program == "grpo_inspect":
        command, words = (words[0], words[1:]) if words and not words[0].startswith("-") else ("", words)
        if command == "options":
            words = []
    for word in words:
        if word == "--":
            return
        if word.startswith("--") and not STAND_IN.search(word):
            name = word[2:].split("=")[0].replace("-", "_")
            if name not in options(program, command):
                yield f"{program} {command} has no option --{name}"


def wrong_words(words, made):
    """Complaints about a simple command."""
    words = first_words(words)
    if not words or STAND_IN.search(words[0]) and "bin/" not in words[0]:
        return
    program = name_of(words[0])
    if program.startswith("example_"):
        if not (ROOT / "examples" / program[len("example_") :]).is_dir():
            yield f"no example {program}"
    elif program.startswith("test_"):
        if not (ROOT / "tests" / program[len("test_") :]).is_dir():
            yield f"no test program {program}"
    elif program in APPS:
        yield from wrong_options(program, words[1:])
    elif words[:2] == ["bash", "training.sh"]:
        mine = [w for w in words[2:] if w not in ("--setup-only", "--dry-run", "--submit", "--")]
        if "--submit" not in words or "--" in words:
            yield from wrong_options("grpo_train", mine[mine.index("--") + 1 :] if "--" in mine else mine if "--submit" not in words else words[words.index("--") :][1:])
    elif words[0] not in OTHERS:
        yield f"unknown program {words[0]}"
    else:  # launchers: torchrun --nproc_per_node 2 build/release/bin/grpo_train ...
        for i, word in enumerate(words[1:], 1):
            if name_of(word) in APPS and words[0] in ("torchrun", "mpirun", "srun"):
                yield from wrong_options(name_of(word), words[i + 1 :])
    presets = {p["name"] for p in json.loads((ROOT / "CMakePresets.json").read_text())["configurePresets"]}
    for i, word in enumerate(words):
        if word == "--preset" and words[i + 1] not in presets:
            yield f"no preset {words[i + 1]}"
        value = word.split("=", 1)[1] if word.startswith("--") and "=" in word else word
        if OURS.match(value) and value not in made and not glob.glob(str(ROOT / value)):
            yield f"no file {value}"


class Docs(unittest.TestCase):
    def setUp(self):
        self.complaints = []

    def tearDown(self):
        self.assertEqual(self.complaints, [], "\n" + "\n".join(self.complaints))

    def test_links(self):
        texts = pages.pages()
        for page, text in texts.items():
            prose = re.sub(r"`[^`\n]*`", "", pages.split(text)[1])
            for line, words in enumerate(prose.splitlines(), 1):
                for target in re.findall(r"\]\(([^)\s]+)\)", words):
                    path, _, anchor = target.partition("#")
                    if re.match(r"^(https?|mailto):", target):
                        continue
                    there = (ROOT / page).parent.joinpath(path).resolve() if path else ROOT / page
                    name = str(there.relative_to(ROOT)) if there.is_relative_to(ROOT) else target
                    if not there.exists() and name not in MADE:
                        self.complaints.append(f"{page}:{line}: no {target}")
                    elif anchor and name in texts and anchor not in pages.slugs(texts[name]):
                        self.complaints.append(f"{page}:{line}: no heading #{anchor} in {name}")

    def test_shell_blocks(self):
        checked = 0
        for page, text in pages.pages().items():
            blocks, _ = pages.split(text)
            made = {block.file for block in blocks}
            for block in filter(is_shell, blocks):
                checked += 1
                try:
                    for words in pages.commands(block.text):
                        # Without a fence that says shell, a block may show what a command prints.
                        if not block.language and not (first_words(words) and is_known(first_words(words)[0])):
                            continue
                        self.complaints += [f"{page}:{block.line}: {why} in: {' '.join(words)}" for why in wrong_words(words, made)]
                except ValueError as error:
                    self.complaints.append(f"{page}:{block.line}: {error}: {block.text}")
        self.assertGreater(checked, 30)

    def test_every_recipe_is_on_its_page_with_its_arithmetic(self):
        rows = {found[1]: line for line in pages.pages()["docs/recipes.md"].splitlines() if (found := re.match(r"\| \[([\w./-]+)\]", line))}
        recipes = [*(ROOT / "recipes").rglob("*.toml"), *(ROOT / "recipes").rglob("*.yaml")]
        for recipe in recipes:
            name = str(recipe.relative_to(ROOT / "recipes"))
            shown = subprocess.run([BIN / "grpo_train", "--config", recipe, "--print_config"], capture_output=True, text=True, timeout=60, cwd=ROOT)
            if name not in rows or shown.returncode != 0:
                self.complaints.append(f"docs/recipes.md: no row for {name}" if name not in rows else f"{name}: {shown.stderr}")
                continue
            value = {key: int(number) for key, number in re.findall(r"^(\w+) = (\d+)\b", shown.stdout, re.M)}
            prompts = value["per_device_train_batch_size"] * value["gradient_accumulation_steps"] // value["num_generations"]
            for words in (f"{prompts} prompts x {value['num_generations']} completions a step", f"at most {value['max_completion_length']} tokens"):
                if words not in rows[name]:
                    self.complaints.append(f"docs/recipes.md: the row of {name} does not say: {words}")
            if len([cell for cell in rows[name].strip("| ").split(" | ") if len(cell) > 10]) != 4:
                self.complaints.append(f"docs/recipes.md: the row of {name} lacks purpose, arithmetic or what to expect")

    def test_every_dependency_is_on_its_page(self):
        page = pages.pages()["docs/dependencies.md"]
        pinned = re.findall(r"^(?:debian|debian-tests|pip|pip-no-deps|python) +(\S+) ", (ROOT / "cmake/versions.txt").read_text(), re.M)
        self.complaints += [f"docs/dependencies.md: nothing about {name}" for name in pinned if f"`{name}`" not in page]
        self.assertGreater(len(pinned), 15)

    def test_every_example_is_small_and_on_its_page(self):
        page = pages.pages()["examples/README.md"]
        self.complaints += [f"examples/README.md: nothing about {path.name}" for path in (ROOT / "examples").iterdir() if path.is_dir() and f"]({path.name}/" not in page]
        for path in (ROOT / "examples").rglob("*"):
            if path.suffix in (".cpp", ".hpp", ".sh", ".py") and len(path.read_text().splitlines()) >= 100:
                self.complaints.append(f"{path.relative_to(ROOT)}: 100 lines or more")


class Parser(unittest.TestCase):
    """The parts above catch what they are for."""

    def test_blocks(self):
        blocks, prose = pages.split("# A `b` c\n\n<!-- run -->\n```bash\nls\n```\n\n    grpo_train \\\n      --x\n\n- item\n\n    not code\n\n<!-- file: a/b.py -->\n\n```python\nx\n```\n")
        self.assertEqual([(b.line, b.language, b.text, b.run, b.file) for b in blocks],
                         [(4, "bash", "ls\n", True, ""), (8, "", "grpo_train \\\n  --x\n", False, ""), (17, "python", "x\n", False, "a/b.py")])
        self.assertIn("not code", prose)
        self.assertEqual(pages.slugs("# A `b`, [c](d) E-f\n"), {"a-b-c-e-f"})

    def test_commands(self):
        self.assertEqual(pages.commands("A=1 x --y 'z w' | v && u > t  # s\n$ r\n"), [["A=1", "x", "--y", "z w"], ["v"], ["u", ">", "t"], ["r"]])

    def test_what_is_wrong_is_found(self):
        def wrong(command):
            return [why for words in pages.commands(command) for why in wrong_words(words, set())]

        for command, why in {"grpo_train --no_such 1": "no option --no_such", "build/release/bin/grpo_trian": "unknown program", "bash tests/rnu.sh": "no file tests/rnu.sh",
                             "NPROC=2 bash training.sh --max_stpes 3": "no option --max_stpes", "cmake --preset deb": "no preset deb", "example_031-bandit": "no example",
                             "torchrun --nproc_per_node 2 build/release/bin/grpo_train --beat 1": "no option --beat", "grpo_inspect loss --rows 3": "no option --rows",
                             "grpo_train --config recipes/none.toml": "no file recipes/none.toml", "bash training.sh --submit --nodes=2 -- --confg x": "no option --confg"}.items():
            self.assertIn(why, " ".join(wrong(command)), command)
        for command in ("grpo_train --max-steps=3 --config my.toml", "bash training.sh --submit --nodes=2 -- --max_steps 3", "FOO=1 bash training.sh --dry-run --beta 1"):
            self.assertEqual(wrong(command), [], command)


if __name__ == "__main__":
    unittest.main()
