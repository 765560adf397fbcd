"""What a row hands back, and the surroundings it runs in."""

import dataclasses
import pathlib


@dataclasses.dataclass
class Result:
    title: str
    tables: list = dataclasses.field(default_factory=list)
    verdicts: list = dataclasses.field(default_factory=list)
    notes: list = dataclasses.field(default_factory=list)
    commands: list = dataclasses.field(default_factory=list)
    missing: list = dataclasses.field(default_factory=list)  # (what, why): for the list of what was not measured

    def table(self, head, rows, caption=""):
        self.tables.append({"caption": caption, "head": list(head), "rows": [list(map(str, row)) for row in rows]})

    def goal(self, goal, measured, met):
        self.verdicts.append({"goal": goal, "measured": measured, "met": met})

    def at_most(self, goal, limit, figures, digits=2, unit=""):
        self.goal(goal, figures.show(digits) + unit, figures.median <= limit)

    def at_least(self, goal, limit, figures, digits=2, unit=""):
        self.goal(goal, figures.show(digits) + unit, figures.median >= limit)

    def command(self, command):
        if command not in self.commands:
            self.commands.append(command)


@dataclasses.dataclass
class Setting:
    """Everything a row may ask for."""

    ours: object                 # ours.Ours
    peers: object                # peers.Peers
    threads: int
    rounds: int
    quick: bool
    work: pathlib.Path           # for models, rows and runs; kept between runs
    gsm8k: pathlib.Path | None   # a train.jsonl
    model: pathlib.Path          # for ours: the quick start's GGUF, or the tiny folder
    peer_model: pathlib.Path     # the same as a Hugging Face folder
    rows: pathlib.Path           # questions, the same for all
    peaks: dict | None = None    # what the program peak said, once it ran

    def tokens(self, wanted):
        return 8 if self.quick else wanted
