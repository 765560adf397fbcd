"""What the Python package math-verify says of pairs of answers: writes math_verify.json beside this file.

  python tests/oracle/math_verify_oracle.py --gsm8k test.jsonl

Rows are [gold, answer, math-verify's verdict, what is right]. The last comes from how the pair was made
(math_verify_pairs.py and the spellings below), not from a program. GSM8K gives the different gold numbers of its
test file (MIT licence); nothing else of it is kept. With --table, the rows where math-verify is not right are
printed as the table of docs/math-verify-differences.md.
"""
import argparse
import json
import logging
import pathlib

from math_verify import parse, verify

from math_verify_pairs import FORMS


def spellings(n: int) -> list[str]:
    """One number in six spellings: as it is, with zeros, with separators, as a fraction, in words of mathematics, with a unit."""
    grouped = f"{n:,}" if abs(n) >= 1000 else f"{n:,}".replace("-", "- ")
    return [str(n), f"{n}.00", grouped, rf"\frac{{{2 * n}}}{{2}}", f"x = {n}", rf"{n}\text{{ dollars}}"]


def gsm8k_pairs(path: pathlib.Path) -> list[tuple[str, str, bool]]:
    numbers = []
    for line in path.read_text().splitlines():
        text = json.loads(line)["answer"].rsplit("####", 1)[1].strip().replace(",", "")
        if text.lstrip("-").isdigit():
            numbers.append(int(text))
    numbers = list(dict.fromkeys(numbers))
    pairs = [(str(n), s, True) for n in numbers for s in spellings(n)]
    pairs += [(str(n), str(wrong), False) for n, wrong in ((n, w) for i, n in enumerate(numbers) for w in [(n + 1, n * 10, -n - 1)[i % 3]])]
    return pairs


def hand_made() -> list[tuple[str, str, bool]]:
    return [(gold, answer, truth) for gold, same, other in FORMS for truth, answers in ((True, same), (False, other)) for answer in answers]


def oracle(gold: str, answer: str) -> bool:
    """The answer as a model would box it, or as plain text: the better reading of the two counts."""
    golds = parse(f"${gold}$")
    return bool(verify(golds, parse(rf"$\boxed{{{answer}}}$")) or verify(golds, parse(answer)))


def main() -> None:
    logging.disable(logging.CRITICAL)
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--gsm8k", type=pathlib.Path, required=True, help="GSM8K's test.jsonl")
    parser.add_argument("--table", action="store_true", help="print where math-verify and what is right differ")
    options = parser.parse_args()
    groups = {"gsm8k": gsm8k_pairs(options.gsm8k), "hand_made": hand_made()}
    out = {name: [[g, a, int(oracle(g, a)), int(truth)] for g, a, truth in pairs] for name, pairs in groups.items()}
    lines = ",\n".join(f'"{name}": [\n' + ",\n".join(json.dumps(row, ensure_ascii=False) for row in rows) + "\n]" for name, rows in out.items())
    pathlib.Path(__file__).with_name("math_verify.json").write_text("{" + lines + "}\n")
    print({name: len(rows) for name, rows in out.items()})
    for gold, answer, verdict, truth in (row for rows in out.values() for row in rows if options.table):
        if verdict != truth:
            print(f"| `{gold}` | `{answer}` | {'same' if verdict else 'different'} | {'same' if truth else 'different'} |")


if __name__ == "__main__":
    main()
