"""Expected ids for tests/text/tokenizer_test.cpp, computed with the `tokenizers` package.

    python tests/oracle/tokens_oracle.py <model.gguf> <gsm8k folder> <tokenizer.json of SmolLM2> [output folder]

Writes tokens.json and bpe_<family>.json (small trained tokenizers) beside this file. The reference tokenizer.json may
come from transformers' GGUF import, which drops the split into single digits; the published SmolLM2 has it, and so does
the GGUF (tokenizer.ggml.pre = smollm). It is put back here. Needs: tokenizers, gguf.
"""

import copy
import json
import pathlib
import sys

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from tokenizers import Regex

LLAMA3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
QWEN2 = LLAMA3.replace(r"\p{N}{1,3}", r"\p{N}")

TORTURE = [
    "", " ", "  ", "a", "\n", "\r\n", "\t", "\0", "Hello world", " Hello  world ", "   leading", "trailing   ",
    "I'll we've they're you'd I'm it's can't", "I'LL WE'VE 'S 'T 'Re 'M 'd'D", "'ſ 'ſt", "don’t ’s",
    "0", "12", "1234567890", " 123", "  123", "a1b2c3", "3.14159 -2.5e10 1,000,000", "١٢٣ ४५६ ⅷ ½ ² ①", "x=\n5", "x=\n\n5",
    "\n\n\n", " \n \n ", "\n \t\n  x", "a\n\n  b\r\n\r\nc\rd", "end \n", "tabs\t\t\tand  spaces    here", " " * 100, "\n" * 50,
    " " * 33 + "x", "\u00a0x\u00a0\u00a0y", "\u3000全角\u3000", "\u180ex \u180e y", "\u0085a\u2028b\u2029c", "\u200b\u200czero\u200d",
    "e\u0301 é n\u0303 ñ A\u030a Å \u212b", "q\u0323\u0307 q\u0307\u0323 \u1e0b\u0323", "\u1100\u1161\u11a8 각 가\u11a8 \u1112\u1161\u11ab",
    "👍🏽 👩‍👩‍👧‍👦 🇺🇳 ❤️ 😀😀", "日本語のテキスト。中文文本，标点！한국어 텍스트", "שלום עולם مرحبا بالعالم", "Привет, мир! Γειά σου Κόσμε",
    "ไทยไม่มีเว้นวรรค हिन्दी", "𝔘𝔫𝔦𝔠𝔬𝔡𝔢 𝟙𝟚𝟛 𓀀", "ﬁ ﬆ Ǆ ß ẞ İ ı", "\u0958 \u0fb9 \u2adc \ufb1d",
    "\x01\x02\x04\x06\x13\x14\x16\x1d\x7f", "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n", "a<|im_end|>b", "  <|im_end|>  x",
    "<|im_end|><|im_end|>", "<|im_en", "<|im_end|", "<<|im_end|>>", "<|endoftext|>", "<repo_name>x<file_sep>", "<|IM_END|>",
    "def f(x):\n    return x**2  # ok\n\nprint(f(3))", "https://example.org/a?b=c&d=%20#e", "\\frac{1}{2} \\boxed{42} $x_1^2$",
    "#### 72", "Natalia sold 48/2 = <<48/2=24>>24 clips", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    "internationalization" * 6, "....!!!???---===", "foo bar", "xfoo bar foo foobar _foo foo_", " foo  ", "  mask   x", "x <mask> y",
    "\ufffd\ufffe\uffff\U0010ffff", "\U000f0000\ue000",
    "\u1c89!\u1c8a\ua7cb \U0002ebf0x\U000323af \u0897a\U00010d40", "1\U00011de0 2\U00016ff4",
    "\U00011935\U00011930 a\u1ac7\u0323", "1²½ foo² ²foo foo\u200d",
]
TORTURE_BYTES = [
    "ff", "c0af", "e28098", "e280", "e2", "f09f98", "f09f", "f0", "41e28042", "eda080", "f4908080", "c3", "c3c3a9", "80bf", "f0808080",
    "e0809f", "61ff62fe63", "f09f9880f09f98", "e2e28080", "f8888080",
]
FRAGMENTS = [
    " ", "  ", "   ", "\n", "\r\n", "\t", "a", "the", " the", "ing", "'s", "'S", "'ll", "’", "1", "23", "456", " 7", ".", ", ", "!?", "((", "é",
    "e\u0301", "\u0323", "\u0307", "日本", "가", "\u1100\u1161", "😀", "👩‍", "\u00a0", "\u3000", "\u180e", "ß", "Ω", "\u212b", "x", "_", "foo", "<|im_end|>",
    "<|im_start|>", "<mask>", "٣", "½", "\x00", "\x04", "A", "ſ", "-", "=", "\u200d",
]


class Generator:
    """Numbers that the C++ test draws alike."""

    def __init__(self, seed):
        self.state = seed

    def below(self, n):
        self.state = (self.state * 6364136223846793005 + 1442695040888963407) & (2**64 - 1)
        return (self.state >> 33) % n

    def text(self):
        out = b""
        for _ in range(self.below(40)):
            out += bytes([self.below(256)]) if self.below(8) == 0 else FRAGMENTS[self.below(len(FRAGMENTS))].encode()
        return out


class Digest:
    def __init__(self):
        self.value = 0xCBF29CE484222325

    def add(self, ids):
        for number in [len(ids), *ids]:
            for byte in number.to_bytes(4, "little"):
                self.value = ((self.value ^ byte) * 0x100000001B3) & (2**64 - 1)

    def __str__(self):
        return f"{self.value:016x}"


def encode(tokenizer, data):
    text = data.decode("utf-8", errors="replace") if isinstance(data, bytes) else data
    return tokenizer.encode(text, add_special_tokens=False).ids


def blocks(tokenizer, texts, size=100):
    out, digest, total = [], Digest(), 0
    for i, text in enumerate(texts):
        ids = encode(tokenizer, text)
        total += len(ids)
        digest.add(ids)
        if (i + 1) % size == 0 or i + 1 == len(texts):
            out.append(str(digest))
            digest = Digest()
    return {"tokens": total, "blocks": out}


def torture():
    return [text.encode() for text in TORTURE] + [bytes.fromhex(text) for text in TORTURE_BYTES]


def random_texts(count):
    return [Generator(seed).text() for seed in range(count)]


def decode_cases(tokenizer, vocab_size):
    draw = Generator(12345)
    lists = [[], [1], [1, 1], encode(tokenizer, "<|im_start|>a😀b<|im_end|>"), encode(tokenizer, "😀")[:1], encode(tokenizer, "😀")[:2]]
    lists += [encode(tokenizer, "日本語 é👩‍👩‍👧")[cut:] for cut in range(1, 6)]
    lists += [[draw.below(vocab_size) for _ in range(1 + draw.below(12))] for _ in range(60)]
    single_bytes = [i for i in range(vocab_size) if len(tokenizer.id_to_token(i)) == 1]
    lists += [[single_bytes[draw.below(len(single_bytes))] for _ in range(1 + draw.below(12))] for _ in range(60)]
    return [
        {
            "ids": ids,
            "skip": tokenizer.decode(ids, skip_special_tokens=True).encode().hex(),
            "keep": tokenizer.decode(ids, skip_special_tokens=False).encode().hex(),
        }
        for ids in lists
    ]


def sequence(*parts):
    return pre_tokenizers.Sequence(list(parts))


def families():
    """name -> (normalizer, pre-tokenizer, ignore_merges)"""
    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    plain = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    return {
        "gpt2": (None, byte_level, False),
        "llama3": (None, sequence(pre_tokenizers.Split(Regex(LLAMA3), "isolated"), plain), True),
        "qwen2": (normalizers.NFC(), sequence(pre_tokenizers.Split(Regex(QWEN2), "isolated"), plain), False),
        "smollm": (None, sequence(pre_tokenizers.Digits(individual_digits=True), byte_level), False),
    }


def train(family, corpus):
    normalizer, pre_tokenizer, ignore_merges = families()[family]
    tokenizer = Tokenizer(models.BPE(ignore_merges=ignore_merges))
    if normalizer:
        tokenizer.normalizer = normalizer
    tokenizer.pre_tokenizer = pre_tokenizer
    tokenizer.decoder = decoders.ByteLevel()
    special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    tokenizer.train_from_iterator(
        corpus, trainers.BpeTrainer(vocab_size=420, special_tokens=special, initial_alphabet=alphabet, show_progress=False)
    )
    return tokenizer


def added(content, token_id, **flags):
    token = {"id": token_id, "content": content, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": False}
    return {**token, **flags}


def variants(size):
    """Changes to bpe_gpt2.json, as the top-level keys that they replace. `size` is its number of tokens."""
    plain = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}
    prefix = {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True}

    def split(pattern, behavior, invert):
        step = {"type": "Split", "pattern": pattern, "behavior": behavior, "invert": invert}
        return {"pre_tokenizer": {"type": "Sequence", "pretokenizers": [step, plain]}}

    out = {}
    for behavior in ["Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous"]:
        for invert in [False, True]:
            out[f"{behavior} invert={invert}"] = split({"Regex": r"\s|the|o"}, behavior, invert)
    out["literal"] = split({"String": ". "}, "MergedWithPrevious", False)
    out["literal, empty"] = split({"String": ""}, "Isolated", False)
    out["letters old and young"] = split({"Regex": r"[^\s\p{L}\p{N}]\p{L}+|\P{L}\p{M}?"}, "Isolated", False)
    out["literal letter"] = split({"String": "e"}, "Isolated", False)
    out["empty matches"] = split({"Regex": "e*"}, "Isolated", False)
    out["empty matches next"] = split({"Regex": "(?=[aeiou])"}, "MergedWithNext", False)
    out["word shorthand"] = split({"Regex": r"\w+|[^\w\s]+"}, "Removed", True)
    out["negated shorthand"] = split({"Regex": r"\W+|\S\d"}, "Isolated", False)
    out["line anchors"] = split({"Regex": r"^.|.$"}, "Isolated", False)
    out["prefix space"] = {"pre_tokenizer": prefix}
    digits = {"type": "Digits", "individual_digits": False}
    out["digit runs"] = {"pre_tokenizer": {"type": "Sequence", "pretokenizers": [digits, prefix]}}
    out["no regex"] = {"pre_tokenizer": plain}
    out["NFC"] = {"normalizer": {"type": "NFC"}}
    replace = {"type": "Replace", "pattern": {"Regex": " +"}, "content": "_"}
    prepend = {"type": "Prepend", "prepend": "x"}
    out["replace, prepend"] = {"normalizer": {"type": "Sequence", "normalizers": [replace, prepend, {"type": "NFC"}]}}
    out["added"] = {
        "normalizer": {"type": "Sequence", "normalizers": [{"type": "NFC"}, {"type": "Replace", "pattern": {"String": "bar"}, "content": "baz"}]},
        "added_tokens": [
            added("<|endoftext|>", 0, special=True),
            added("<|im_start|>", 1, special=True, rstrip=True),
            added("<|im_end|>", 2, special=True, lstrip=True),
            added("foo", size, single_word=True),
            added("foo bar", size + 1, normalized=True),
            added("<mask>", size + 2, special=True, lstrip=True, rstrip=True),
            added("e\u0301", size + 3, normalized=True),
            added("  ", size + 4, rstrip=True),
            added("the", size + 5, normalized=True, single_word=True),
        ],
    }
    return out


def expectations(tokenizer, count):
    cases = []
    for data in torture():
        digest = Digest()
        digest.add(encode(tokenizer, data))
        cases.append(str(digest))
    return {"torture": cases, "random": blocks(tokenizer, random_texts(count))}


def compact(tokenizer, path):
    path.write_text(json.dumps(json.loads(tokenizer.to_str()), ensure_ascii=True, separators=(",", ":")) + "\n")


def gsm8k(folder, split):
    with open(folder / f"{split}.jsonl", encoding="utf-8") as rows:
        return [json.loads(row) for row in rows]


def main():
    gguf, data, reference = map(pathlib.Path, sys.argv[1:4])
    out = pathlib.Path(sys.argv[4]) if len(sys.argv) > 4 else pathlib.Path(__file__).parent
    spec = json.loads(reference.read_text(encoding="utf-8"))
    digits = {"type": "Digits", "individual_digits": True}
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    spec["pre_tokenizer"] = {"type": "Sequence", "pretokenizers": [digits, byte_level]}
    smollm2 = Tokenizer.from_str(json.dumps(spec))
    check_vocabulary(gguf, smollm2)

    rows = {split: gsm8k(data, split) for split in ["train", "test"]}
    result = {
        "fragments": [fragment.encode().hex() for fragment in FRAGMENTS],
        "torture": [text.hex() for text in torture()],
        "smollm2": {
            "ids": [encode(smollm2, text) for text in torture()],
            "random": blocks(smollm2, random_texts(2000)),
            "decode": decode_cases(smollm2, smollm2.get_vocab_size()),
            "gsm8k": {
                f"{split}.{column}": blocks(smollm2, [row[column] for row in rows[split]])
                for split in rows
                for column in ["question", "answer"]
            },
        },
        "families": {},
        "variants": {},
    }
    corpus = [row["question"] + "\n" + row["answer"] for row in rows["train"][:300]] + TORTURE
    for family in families():
        tokenizer = train(family, corpus)
        compact(tokenizer, out / f"bpe_{family}.json")
        result["families"][family] = expectations(tokenizer, 2000)
    base = json.loads((out / "bpe_gpt2.json").read_text())
    for name, patch in variants(len(base["model"]["vocab"])).items():
        tokenizer = Tokenizer.from_str(json.dumps({**copy.deepcopy(base), **patch}))
        result["variants"][name] = {"patch": patch, **expectations(tokenizer, 500)}
    (out / "tokens.json").write_text(json.dumps(result, separators=(",", ":")) + "\n")


def check_vocabulary(gguf, tokenizer):
    """The reference must be the tokenizer of this very GGUF."""
    from gguf import GGUFReader

    field = GGUFReader(str(gguf)).fields["tokenizer.ggml.tokens"]
    tokens = [bytes(field.parts[i]).decode() for i in field.data]
    assert [tokenizer.id_to_token(i) for i in range(tokenizer.get_vocab_size())] == tokens, "another vocabulary"


if __name__ == "__main__":
    main()
