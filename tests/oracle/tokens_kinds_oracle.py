"""Expected ids and texts of tokenizers of every kind, computed with the `tokenizers` package.

    python tests/oracle/tokens_kinds_oracle.py <gsm8k folder> [output folder]

Writes tokens_kinds.json beside this file: small tokenizers, trained here on GSM8K, with what the package makes of hostile
texts, of random bytes, of every added token inside text and of all GSM8K questions; and changes to them ("variants"). Texts and
digests are those of tokens_oracle.py. Needs: tokenizers.
"""

import base64
import copy
import json
import pathlib
import struct
import sys

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

import tokens_oracle as base

BLANK = "\u2581"
SPECIAL = ["<unk>", "<s>", "</s>"]
BYTES = [f"<0x{b:02X}>" for b in range(256)]
EXTRA = [
    "\u2581already \u2581\u2581 spelled\u2581", "<0x41><0x0A> <0xFF>", "<unk> a <unk><unk>", "<s>x</s> <s> y", "##ing ##", "it 's do not , . ! ? n't",
    "a\u0301\u0327 \u0130 \u01c5 \u1e9e \ufb03 \u3392 \u2460 \uff76\uff9e \u00bd \u2075", "\u4e2d\u6587\u5b57\u7b26 mixed\u4e2dtext", "tab\tand\u000bvt\u000cff\u0085nel",
    "\u00adsoft\u200bzero\ufeffbom\u2060wj", "hy-phen\u2014dash \u00abquotes\u00bb \u201cx\u201d \u3002\u3001", "x" * 150 + " " + "y" * 99 + " " + "z" * 101,
    "\u1161\u11a8\uac00 \u0e33 \u0b94 \u0344", "e\u0301\u0301\u0301e\u20dd", "\r\n\r \n\r", "$12.50 = 12 1/2 + 3\u00d74", "CamelCase HTTPServer iPhone",
    "\U0001f468\u200d\U0001f469\u200d\U0001f467\u200d\U0001f466\U0001f3fd\ufe0f", "\u0644\u0627 \ufefb \ufdfa \u05e9\u05c1", "\u212a \u2126 \u1e9b\u0323 \u017f\u0307",
]


def long_text():
    """100 kB without a blank."""
    return "".join("abcdefghijklmnopqrstuvwxyz0123456789\u00e9\u65e5\U0001f600"[(i * i + 7 * i) % 39] for i in range(90_000))


def texts():
    return base.torture() + [text.encode() for text in EXTRA] + [long_text().encode()]


def llama_parts(prefix=True):
    steps = [normalizers.Replace(" ", BLANK)]
    normalizer = normalizers.Sequence([normalizers.Prepend(BLANK), *steps] if prefix else steps)
    decoder = [decoders.Replace(BLANK, " "), decoders.ByteFallback(), decoders.Fuse()]
    return normalizer, decoders.Sequence([*decoder, decoders.Strip(" ", 1, 0)] if prefix else decoder)


def train_bpe(corpus):
    """As Llama 2: trained by words, used on whole texts."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    tokenizer.normalizer, tokenizer.decoder = llama_parts()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(replacement=BLANK, prepend_scheme="never")
    trainer = trainers.BpeTrainer(vocab_size=700, special_tokens=SPECIAL + BYTES, limit_alphabet=90, show_progress=False)
    tokenizer.train_from_iterator(corpus, trainer)
    spec = json.loads(tokenizer.to_str())
    spec["pre_tokenizer"] = None
    spec["added_tokens"] = [t for t in spec["added_tokens"] if t["content"] in SPECIAL]
    return spec


def train_unigram(corpus):
    """As T5 and XLM-RoBERTa."""
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Replace(Regex(" {2,}"), " ")])
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(replacement=BLANK, prepend_scheme="always")
    tokenizer.decoder = decoders.Metaspace(replacement=BLANK, prepend_scheme="always")
    trainer = trainers.UnigramTrainer(vocab_size=600, special_tokens=["<pad>", *SPECIAL], unk_token="<unk>", show_progress=False)
    tokenizer.train_from_iterator(corpus, trainer)
    return json.loads(tokenizer.to_str())


def train_word_piece(corpus):
    """As BERT."""
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    trainer = trainers.WordPieceTrainer(vocab_size=700, special_tokens=special, limit_alphabet=120, show_progress=False)
    tokenizer.train_from_iterator(corpus, trainer)
    return json.loads(tokenizer.to_str())


def train_suffix(corpus):
    """As the first GPT and CLIP: words end in </w>."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", end_of_word_suffix="</w>"))
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFD(), normalizers.StripAccents(), normalizers.Lowercase()])
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.decoder = decoders.BPEDecoder()
    trainer = trainers.BpeTrainer(vocab_size=500, special_tokens=["<unk>"], end_of_word_suffix="</w>", limit_alphabet=80, show_progress=False)
    tokenizer.train_from_iterator(corpus, trainer)
    return json.loads(tokenizer.to_str())


def word_level(corpus):
    words = {}
    for word in " ".join(corpus[:100]).split():
        words.setdefault(word, len(words) + 1)
    tokenizer = Tokenizer(models.WordLevel({"<unk>": 0, **dict(list(words.items())[:400])}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return json.loads(tokenizer.to_str())


class Darts:
    """A double array in the format of SentencePiece's precompiled_charsmap, small and slow to build."""

    def __init__(self, rules):
        self.units, self.taken, pool = [0], {0}, b""
        tree = {}
        for key, value in rules.items():
            node = tree
            for byte in key.encode():
                node = node.setdefault(byte, {})
            node[None] = len(pool)
            pool += value.encode() + b"\0"
        self.place(tree, 0, 0)
        self.blob = struct.pack("<I", 4 * len(self.units)) + b"".join(struct.pack("<I", unit) for unit in self.units) + pool

    def place(self, node, at, label):
        labels = [0 if key is None else key for key in node]
        offset = next(o for o in range(1, 1 << 20) if all((at ^ o ^ x) not in self.taken for x in labels) and o < 1 << 21)
        base_at = at ^ offset
        self.units += [0xFF] * (max(base_at ^ x for x in range(256)) + 1 - len(self.units))
        self.taken |= {base_at ^ x for x in labels}
        self.units[at] = (offset << 10) | (256 if None in node else 0) | label
        for key, child in node.items():
            if key is None:
                self.units[base_at] = (1 << 31) | child
            else:
                self.place(child, base_at ^ key, key)


def charsmap():
    rules = {"\u00a0": " ", "\t": " ", "\n": " ", "\r": "", "\ufb01": "fi", "\uff21": "A", "\u0130": "I", "e\u0301": "\u00e9", "\u2460": "1", "\u00bd": "1/2", "\u1100\u1161": "\uac00",
             "a": "a", "\u200b": "", "\u3000": " ", "\u0041\u030a": "\u00c5", "\u65e5": "\u65e5\u65e5", "\U0001f600": ":)", "\u0300": "`"}
    return base64.b64encode(Darts(rules).blob).decode()


def variants(specs):
    """kind -> name -> top-level keys that replace those of the kind's tokenizer; a model's changes are merged."""

    def metaspace(scheme, split):
        return {"type": "Metaspace", "replacement": BLANK, "prepend_scheme": scheme, "split": split}

    def steps(key, inner, *parts):
        return {key: {"type": "Sequence", inner: list(parts)}}

    def normalizer(*parts):
        return steps("normalizer", "normalizers", *parts)

    def pre_tokenizer(*parts):
        return steps("pre_tokenizer", "pretokenizers", *parts)

    plain = {"normalizer": None}
    out = {kind: {} for kind in specs}
    bpe, unigram, words = out["bpe"], out["unigram"], out["word_piece"]
    for scheme in ["always", "first", "never"]:
        for split in [True, False]:
            both = {"pre_tokenizer": metaspace(scheme, split), "decoder": metaspace(scheme, split)}
            bpe[f"Metaspace {scheme} {split}"] = {**plain, **both}
            unigram[f"Metaspace {scheme} {split}"] = both
    bpe["Gemma"] = {
        "normalizer": {"type": "Replace", "pattern": {"String": " "}, "content": BLANK},
        "pre_tokenizer": {"type": "Split", "pattern": {"String": " "}, "behavior": "MergedWithPrevious", "invert": False},
        "decoder": json.loads(Tokenizer.from_str(json.dumps({**specs["bpe"], "decoder": json.loads(json.dumps(DECODER_OF_GEMMA))})).to_str())["decoder"],
    }
    bpe["no fuse"] = {"model": {"fuse_unk": False, "byte_fallback": False}}
    bpe["fuse"] = {"model": {"byte_fallback": False}}
    bpe["no unknown"] = {"model": {"byte_fallback": False, "unk_token": None}}
    bpe["ignore merges"] = {**plain, "pre_tokenizer": metaspace("always", True), "model": {"ignore_merges": True}}
    bpe["first behind a split"] = {**plain, **pre_tokenizer({"type": "WhitespaceSplit"}, metaspace("first", True))}
    bpe["no decoder"] = {"decoder": None}
    size = len(specs["bpe"]["model"]["vocab"])
    bpe["added"] = {
        "added_tokens": [
            *specs["bpe"]["added_tokens"],
            base.added("foo", size, single_word=True),
            base.added("foo bar", size + 1, normalized=True),
            base.added("<mask>", size + 2, special=True, lstrip=True, rstrip=True),
            base.added("the", size + 3, normalized=True),
            base.added("  ", size + 4, rstrip=True),
        ]
    }
    template = {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
                "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
                "special_tokens": {"<s>": {"id": "<s>", "ids": [1], "tokens": ["<s>"]}}}
    bpe["template"] = {"post_processor": template}
    roberta = {"type": "RobertaProcessing", "sep": ["</s>", 2], "cls": ["<s>", 1], "trim_offsets": True, "add_prefix_space": True}
    bpe["processors"] = {"post_processor": {"type": "Sequence", "processors": [{"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True}, roberta]}}
    bpe["Bert processing"] = {"post_processor": {"type": "BertProcessing", "sep": ["</s>", 2], "cls": ["<s>", 1]}}

    for form in ["NFC", "NFD", "NFKC", "NFKD", "Lowercase", "StripAccents", "Nmt", "ByteLevel"]:
        unigram[form] = {"normalizer": {"type": form}}
    for left, right in [(True, False), (False, True), (True, True)]:
        unigram[f"strip {left} {right}"] = {"normalizer": {"type": "Strip", "strip_left": left, "strip_right": right}}
    unigram["all"] = normalizer({"type": "Nmt"}, {"type": "NFKD"}, {"type": "StripAccents"}, {"type": "Lowercase"}, {"type": "Strip", "strip_left": True, "strip_right": True}, {"type": "Prepend", "prepend": "x "})
    unigram["replace"] = {"normalizer": {"type": "Replace", "pattern": {"Regex": r"\s+|o"}, "content": "-\u00e9"}}
    unigram["Precompiled"] = {"normalizer": {"type": "Precompiled", "precompiled_charsmap": charsmap()}}
    unigram["no unknown text"] = {**plain, "pre_tokenizer": None, "decoder": None}
    pieces = specs["unigram"]["model"]["vocab"]
    unigram["byte fallback"] = {"model": {"byte_fallback": True, "vocab": pieces + [[b, -20.0] for b in BYTES]}}
    unigram["some bytes"] = {"model": {"byte_fallback": True, "vocab": pieces + [[b, -20.0] for b in BYTES[::2]]}}
    unigram["ties"] = {"model": {"vocab": [[piece, -1.0 * len(piece)] for piece, _ in pieces]}}
    unigram["double"] = {"model": {"vocab": pieces + [["the", -1.0], ["\u65e5\u672c", -0.5], [BLANK, -0.1], ["ing", 0.0]]}}
    unigram["fallback decoder"] = {
        "decoder": {"type": "Sequence", "decoders": [{"type": "ByteFallback"}, {"type": "Metaspace", "replacement": BLANK, "prepend_scheme": "first", "split": True}, {"type": "Fuse"}]},
        "model": {"byte_fallback": True, "vocab": pieces + [[b, -20.0] for b in BYTES]},
    }

    for name, step in {
        "Whitespace": {"type": "Whitespace"}, "WhitespaceSplit": {"type": "WhitespaceSplit"}, "digits": {"type": "Digits", "individual_digits": True},
        "digit runs": {"type": "Digits", "individual_digits": False}, "delimiter": {"type": "CharDelimiterSplit", "delimiter": "e"},
    }.items():
        words[name] = {"pre_tokenizer": step}
    for behavior in ["Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous"]:
        words[f"Punctuation {behavior}"] = pre_tokenizer({"type": "WhitespaceSplit"}, {"type": "Punctuation", "behavior": behavior})
        for invert in [False, True]:
            words[f"{behavior} {invert}"] = {"pre_tokenizer": {"type": "Split", "pattern": {"Regex": r"\s|[aeiou]+"}, "behavior": behavior, "invert": invert}}
    for i in range(16):
        bert = {"type": "BertNormalizer", "clean_text": bool(i & 1), "handle_chinese_chars": bool(i & 2), "strip_accents": [None, True, False][i % 3], "lowercase": bool(i & 8)}
        words[f"BertNormalizer {i}"] = {"normalizer": bert}
    words["short words"] = {"model": {"max_input_chars_per_word": 5}}
    words["other prefix"] = {"model": {"continuing_subword_prefix": ""}, "decoder": {"type": "WordPiece", "prefix": "", "cleanup": False}}
    words["no cleanup"] = {"decoder": {"type": "WordPiece", "prefix": "##", "cleanup": False}}
    words["bytes amid"] = pre_tokenizer({"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True}, {"type": "WhitespaceSplit"})
    return out


DECODER_OF_GEMMA = {"type": "Sequence", "decoders": [{"type": "Replace", "pattern": {"String": BLANK}, "content": " "}, {"type": "ByteFallback"}, {"type": "Fuse"}]}


def patched(spec, patch):
    spec = copy.deepcopy(spec)
    for key, value in patch.items():
        if key == "model":
            spec["model"].update(value)
        else:
            spec[key] = value
    return spec


def digest_of(ids):
    digest = base.Digest()
    digest.add(ids)
    return str(digest)


def with_added(tokenizer):
    """Every added token inside text, alone, doubled, and between blanks."""
    contents = [token.content for _, token in sorted(tokenizer.get_added_tokens_decoder().items())]
    return [form.format(content) for content in contents for form in ["{0}", "{0}{0}", "a{0}b", " {0}  c", "x {0}{0}\n"]]


def decoded(tokenizer, count, seed):
    """Digest of the texts, kept and skipped special tokens, of `count` random id lists."""
    draw, size = base.Generator(seed), tokenizer.get_vocab_size()
    digest = base.Digest()
    for _ in range(count):
        ids = [draw.below(size) for _ in range(1 + draw.below(24))]
        for skip in [False, True]:
            digest.add(list(tokenizer.decode(ids, skip_special_tokens=skip).encode()))
    return str(digest)


def round_trips(tokenizer, inputs):
    digest = base.Digest()
    for text in inputs:
        digest.add(list(tokenizer.decode(base.encode(tokenizer, text), skip_special_tokens=False).encode()))
    return str(digest)


def expectations(tokenizer, count, rows=()):
    out = {
        "torture": [digest_of(base.encode(tokenizer, text)) for text in texts()],
        "random": base.blocks(tokenizer, base.random_texts(count), 1000),
        "added": [base.encode(tokenizer, text) for text in with_added(tokenizer)],
        "round_trips": round_trips(tokenizer, texts()),
        "decode": decoded(tokenizer, 500, 99),
    }
    if rows:
        out["gsm8k"] = base.blocks(tokenizer, rows, 1000)
    return out


def by_score(tokens, scores, text):
    """SentencePiece's BPE as it defines itself: of all neighbours that are a token together, those with the highest score."""
    ids = {token: i for i, token in enumerate(tokens)}
    joined = {token: scores[i] for token, i in ids.items() if token not in SPECIAL and token not in BYTES}
    symbols = list(BLANK + text.replace(" ", BLANK)) if text else []
    while True:
        pairs = [(joined[a + b], -i) for i, (a, b) in enumerate(zip(symbols, symbols[1:])) if a + b in joined]
        if not pairs:
            break
        at = -max(pairs)[1]
        symbols[at : at + 2] = [symbols[at] + symbols[at + 1]]
    return [i for s in symbols for i in ([ids[s]] if s in joined else [ids[f"<0x{b:02X}>"] for b in s.encode()])]


def scored(spec):
    """A vocabulary with scores, as a GGUF of model "llama" holds it, and ids of texts without special tokens in them."""
    vocab = spec["model"]["vocab"]
    tokens = sorted(vocab, key=vocab.get)
    scores = [0.0 if token in SPECIAL + BYTES else -float(i) for i, token in enumerate(tokens)]
    inputs = [text.decode(errors="replace") for text in texts()[:-1] + base.random_texts(1000)]
    inputs = [text for text in inputs if not any(token in text for token in SPECIAL)]
    return {"tokens": tokens, "scores": scores, "texts": [text.encode().hex() for text in inputs], "ids": [digest_of(by_score(tokens, scores, text)) for text in inputs]}


def main():
    data = pathlib.Path(sys.argv[1])
    out = pathlib.Path(sys.argv[2]) if len(sys.argv) > 2 else pathlib.Path(__file__).parent
    rows = [row[column] for split in ["train", "test"] for row in base.gsm8k(data, split) for column in ["question", "answer"]]
    corpus = rows[:600] + base.TORTURE
    specs = {
        "bpe": train_bpe(corpus), "unigram": train_unigram(corpus), "word_piece": train_word_piece(corpus), "suffix": train_suffix(corpus),
        "word_level": word_level(corpus),
    }
    changes = variants(specs)
    result = {"extra": [text.encode().hex() for text in EXTRA], "kinds": {}}
    for kind, spec in specs.items():
        tokenizer = Tokenizer.from_str(json.dumps(spec))
        one = {"tokenizer": spec, **expectations(tokenizer, 4000, rows), "variants": {}}
        one["added_texts"] = [text.encode().hex() for text in with_added(tokenizer)]
        for name, patch in changes[kind].items():
            tokenizer = Tokenizer.from_str(json.dumps(patched(spec, patch)))
            one["variants"][name] = {"patch": patch, "added_texts": [text.encode().hex() for text in with_added(tokenizer)], **expectations(tokenizer, 1000)}
        result["kinds"][kind] = one
    result["scored"] = scored(specs["bpe"])
    (out / "tokens_kinds.json").write_text(json.dumps(result, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
