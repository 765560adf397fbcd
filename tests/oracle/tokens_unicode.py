"""Tables of characters as the `tokenizers` package sees them -> libgrpo/text/unicode_text_tables.cpp.

    python tests/oracle/tokens_unicode.py [output file]

Every code point is asked for, so the tables hold whatever version of the Unicode character database the package holds.
Needs: tokenizers.
"""

import pathlib
import sys

from tokenizers import normalizers, pre_tokenizers

CHARACTERS = [chr(c) for c in range(0x110000) if not 0xD800 <= c <= 0xDFFF]


def bert(**on):
    off = {"clean_text": False, "handle_chinese_chars": False, "strip_accents": False, "lowercase": False}
    return normalizers.BertNormalizer(**{**off, **on})


def ranges(name, holds):
    rows = []
    for c in filter(holds, CHARACTERS):
        if rows and rows[-1][1] == ord(c) - 1:
            rows[-1][1] = ord(c)
        else:
            rows.append([ord(c), ord(c)])
    return wrap(f"constexpr CodeRange k{name}Rows[] =", [f"{{{a:#x},{b:#x}}}" for a, b in rows])


def mapping(name, normalize, otherwise):
    rows, pool = [], []
    for c in CHARACTERS:
        out = normalize(c)
        if out != otherwise(c):
            rows.append(f"{{{ord(c):#x},{len(pool)},{len(out)}}}")
            pool += [f"{ord(x):#x}" for x in out]
    return wrap(f"constexpr CodeMapping k{name}Rows[] =", rows) + wrap(f"constexpr std::uint32_t k{name}Pool[] =", pool)


def wrap(head, items):
    lines, line = [head + " {"], "   "
    for item in items:
        if len(line) + len(item) + 2 > 120:
            lines.append(line)
            line = "   "
        line += f" {item},"
    return lines + [line, "};", ""]


def main():
    out = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parents[2] / "libgrpo/text/unicode_text_tables.cpp")
    nfd, nfkd, lower = normalizers.NFD(), normalizers.NFKD(), normalizers.Lowercase()
    accents, clean, marks = normalizers.StripAccents(), bert(clean_text=True), bert(strip_accents=True)
    words, digits = pre_tokenizers.Whitespace(), pre_tokenizers.Digits(individual_digits=True)
    punctuation, chinese = pre_tokenizers.Punctuation(), bert(handle_chinese_chars=True)

    def pieces(step, c):
        return len(step.pre_tokenize_str("a" + c + "a"))

    sets = {
        "Word": lambda c: pieces(words, c) == 1,
        "Digit": lambda c: pieces(digits, c) == 3,
        "Punctuation": lambda c: pieces(punctuation, c) == 3,
        "Accent": lambda c: accents.normalize_str(c) == "",
        "NonspacingMark": lambda c: marks.normalize_str(c) == "",
        "Unclean": lambda c: clean.normalize_str(c) == "",
        "CleanSpace": lambda c: clean.normalize_str(c) == " ",
        "Chinese": lambda c: chinese.normalize_str(c) != c,
    }
    maps = {
        "Lower": (lower.normalize_str, lambda c: c),
        "Compatibility": (nfkd.normalize_str, nfd.normalize_str),
    }
    lines = [
        "// Rows are made by tests/oracle/tokens_unicode.py; nothing here is meant to be edited by hand.",
        '#include "libgrpo/text/unicode_text_tables.hpp"',
        "",
        "// clang-format off",
        "namespace grpo::unicode {",
        "namespace {",
        "",
    ]
    for name, holds in sets.items():
        lines += ranges(name, holds)
    for name, (normalize, otherwise) in maps.items():
        lines += mapping(name, normalize, otherwise)
    lines += ["}  // namespace", ""]
    for name in sets:
        lines.append(f"const CodeSet k{name}(k{name}Rows);")
    for name in maps:
        lines.append(f"const CodeMap k{name}{{k{name}Rows, k{name}Pool}};")
    lines += ["", "}  // namespace grpo::unicode", "// clang-format on", ""]
    out.write_text("\n".join(lines))


if __name__ == "__main__":
    main()
