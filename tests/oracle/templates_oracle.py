"""Writes templates.json: what transformers' chat-template environment renders, for our own interpreter to repeat.

    python tests/oracle/templates_oracle.py [output.json]

Needs jinja2 and transformers. The templates are written for this test; each has the constructs of one family of models.
"""

import json
import sys
from pathlib import Path

from templates_constructs import CONSTRUCTS
from templates_families import FAMILIES
from templates_fuzz import outcome
from templates_shapes import SHAPES

WEATHER = {"type": "function", "function": {"name": "weather", "description": "Wetter in \"Köln\" & <Umland>",
           "parameters": {"type": "object", "properties": {"city": {"type": "string"}, "days": {"type": "integer"},
           "tags": {"type": "array", "items": {"type": ["string", "number"]}}, "flags": {"type": "object",
           "additionalProperties": {"type": "boolean"}}}, "required": ["city"]}}}
CLOCK = {"type": "function", "function": {"name": "clock", "parameters": {"type": "object", "properties": {},
         "required": []}}}
CALL = {"type": "function", "id": "c1", "function": {"name": "weather", "arguments": {"days": 2, "city": "São Paulo"}}}


def m(role, content, **more):
    return {"role": role, "content": content, **more}


CONVERSATIONS = [
    [m("user", "Hello there!")],
    [m("system", "Be brief.  "), m("user", "  What is 2+2? \n")],
    [m("user", "Hi"), m("assistant", "Hello."), m("user", "And now?")],
    [m("system", "S"), m("user", "a"), m("assistant", "b"), m("user", "c"), m("assistant", "d\n"), m("user", "e")],
    [m("user", "Go on:"), m("assistant", "Once upon")],
    [m("user", "")],
    [m("system", ""), m("user", "x")],
    [m("user", "Grüße, 世界! 🎉 <b>\"q\" & 'p'</b>\t\u2028"), m("assistant", "Ångström ß ŉ Ωmega"), m("user", "é\u0301")],
    [m("assistant", "I start"), m("user", "why?")],
    [m("user", "one"), m("user", "two")],
    [m("user", "q"), m("assistant", "<think>\nhm, {{ x }}\n</think>\n\nanswer {% if %}")],
    [m("user", "q"), m("assistant", "r", reasoning_content="because"), m("user", "more")],
    [m("user", "q"), m("assistant", None, tool_calls=[CALL]), m("tool", "22 °C"), m("tool", "dry"), m("user", "thanks")],
    [m("user", "q"), m("assistant", "", tool_calls=[CALL, CALL]), m("tool", "22 °C")],
    [m("user", [{"type": "text", "text": " look "}, {"type": "image"}, {"type": "text", "text": "!"}])],
    [m("robot", "beep")],
    [],
]
EXTRAS = [
    {},
    {"tools": [WEATHER, CLOCK], "controls": {"citations": True, "t": 0.125, "n": 7, "s": "a\"b"}},
    {"enable_thinking": False, "documents": [{"title": "A", "text": "alpha"}, {"title": "B", "text": "beta"}],
     "date_string": "24 Dec 2024", "use_default_prompt": True, "extra": {"b": 1, "A": [None, 1.5]}},
    {"tools": [WEATHER], "tools_in_user_message": False, "reasoning_effort": "high", "controls": ["citations"]},
]


def main():
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).with_name("templates.json")
    templates = [{"name": name, "source": source} for name, source in {**FAMILIES, **CONSTRUCTS, **SHAPES}.items()]
    cases = []
    for t, template in enumerate(templates):
        for c, conversation in enumerate(CONVERSATIONS):
            for e, extra in enumerate(EXTRAS):
                generate = (c + e) % 3 != 0
                expected, why = outcome(template["source"], conversation, extra, generate)
                if e and expected is None and (c + t) % 4:
                    continue  # one refusal per kind is enough
                cases.append({"template": t, "messages": c, "extra": extra, "add_generation_prompt": generate,
                              "expected": expected, "why": why})
    # Sets of variables are written once and referred to by number.
    extras = []
    for case in cases:
        if case["extra"] not in extras:
            extras.append(case["extra"])
        case["extra"] = extras.index(case["extra"])
    lines = ["{", '"bos_token": "<s>", "eos_token": "</s>",']
    for name, rows in (("templates", templates), ("conversations", CONVERSATIONS), ("extras", extras), ("cases", cases)):
        body = ",\n".join(json.dumps(row, ensure_ascii=False, separators=(",", ":")) for row in rows)
        lines.append(f'"{name}": [\n{body}\n]' + ("," if name != "cases" else ""))
    target.write_text("\n".join(lines) + "\n}\n", encoding="utf-8")
    raising = sum(case["expected"] is None for case in cases)
    print(f"{target}: {len(templates)} templates, {len(cases)} cases, {raising} of them raise, {target.stat().st_size} bytes")


if __name__ == "__main__":
    main()
