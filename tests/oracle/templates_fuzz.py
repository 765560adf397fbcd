"""Writes templates_fuzz.json: random templates and contexts, and what transformers' environment makes of each.

    python tests/oracle/templates_fuzz.py [output.json [pairs [first seed]]]

Each seed gives one pair, so a pair that differs is found again by its number. Needs jinja2 and transformers. To compare
other seeds than the committed ones, write them elsewhere and point GRPO_TEMPLATES_FUZZ at the file when test_text runs.
"""

import json
import re
import sys
from pathlib import Path

from templates_grammar import Pair
from transformers.utils.chat_template_utils import render_jinja_template

def outcome(template, messages, extra, add_generation_prompt):
    """The rendered text, or None and the reason."""
    try:
        extra = dict(extra)
        rendered, _ = render_jinja_template([messages], tools=extra.pop("tools", None),
                                            documents=extra.pop("documents", None), chat_template=template,
                                            add_generation_prompt=add_generation_prompt, bos_token="<s>",
                                            eos_token="</s>", **extra)
        text = rendered[0]
        text.encode()
        return text, ""
    except Exception as error:  # whatever it is, we must refuse too
        return None, f"{type(error).__name__}: {error}"[:160]


def unstable(text):
    """Prints an address (or spells one out, in a loop), a complex number, or what only Python's own objects print."""
    return text is not None and re.search(r"object at 0x|0x[0-9a-f]{8}|<a [^x]*ga [^x]*ea |<built-in|<bound|<function|macro|loopcontext"
                                          r"|[0-9]j\)|generator", text.lower())


def pair(seed, longest=700):
    """The pair of this seed, or None: too long, or an outcome that cannot be compared."""
    made = Pair(seed)
    case = {"seed": seed, "template": made.template(), "messages": made.messages(), "extra": made.context(),
            "add_generation_prompt": made.r.random() < 0.5}
    if len(case["template"]) > longest:
        return None
    names = set(re.findall(r"\w+", case["template"]))
    case["extra"] = {name: value for name, value in case["extra"].items() if name in names}
    expected, why = outcome(case["template"], case["messages"], case["extra"], case["add_generation_prompt"])
    if unstable(expected) or (expected and len(expected) > longest):
        return None
    return {**case, "expected": expected, "why": why}


def constructs(template):
    """What the pair shows: filters with their arguments, methods, tests, tags and formats."""
    return set(re.findall(r"\| \w+(?:\([^)]*\))?|\.\w+\(|is \w+|[{]%[-+]? \w+|'<[^']*>'", template))


def main():
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).with_name("templates_fuzz.json")
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 200
    seed = int(sys.argv[3]) if len(sys.argv) > 3 else 1
    further = 2000 if len(sys.argv) <= 2 else 0  # seeds that count only if they render something not yet shown
    cases = []
    raising = 0
    shown = set()
    last = None
    while len(cases) < count or seed <= last:
        case = pair(seed)
        seed += 1
        if case is None:
            continue
        if case["expected"] is None:
            if len(cases) >= count or raising * 3 > len(cases):  # most pairs should render
                continue
            raising += 1
        elif len(cases) >= count and constructs(case["template"]) <= shown:
            continue
        if case["expected"] is not None:
            shown |= constructs(case["template"])
        cases.append(case)
        if len(cases) == count:
            last = seed + further
    lines = [json.dumps(case, ensure_ascii=False, separators=(",", ":")) for case in cases]
    target.write_text('{"cases": [\n' + ",\n".join(lines) + "\n]}\n", encoding="utf-8")
    print(f"{target}: {len(cases)} pairs up to seed {seed - 1}, {raising} of them raise, {target.stat().st_size} bytes")


if __name__ == "__main__":
    main()
