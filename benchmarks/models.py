"""Models and data that the rows need: random models of any shape as Hugging Face folders, questions as JSON lines."""

import array
import json
import math
import pathlib
import random
import struct
import sys

import machine

sys.path.insert(0, str(machine.ROOT / "tests" / "support"))
import tiny_model  # noqa: E402  (only now on the path)

NOISE = 65521  # values in the block that weights are cut from; a prime, so that rows do not repeat


class Shape:
    """A Llama shape with tied embeddings and heads of 32."""

    def __init__(self, width=256, layers=6, vocabulary=1024, context=4096):
        self.width, self.layers, self.vocabulary, self.context = width, layers, vocabulary, context
        self.heads, self.kv_heads, self.mlp = width // 32, max(1, width // 64), 3 * width

    def tensors(self):
        w, kv = self.width, 32 * self.kv_heads
        yield "model.embed_tokens.weight", (self.vocabulary, w)
        for i in range(self.layers):
            parts = [("self_attn.q_proj", (w, w)), ("self_attn.k_proj", (kv, w)), ("self_attn.v_proj", (kv, w)), ("self_attn.o_proj", (w, w)),
                     ("mlp.gate_proj", (self.mlp, w)), ("mlp.up_proj", (self.mlp, w)), ("mlp.down_proj", (w, self.mlp)),
                     ("input_layernorm", (w,)), ("post_attention_layernorm", (w,))]
            for name, shape in parts:
                yield f"model.layers.{i}.{name}.weight", shape
        yield "model.norm.weight", (w,)

    def matrix_parameters(self):
        """Without the embedding: what a token is multiplied with."""
        return sum(math.prod(shape) for name, shape in self.tensors() if len(shape) == 2 and "embed" not in name)


def write_model(folder, shape, seed=1):
    """The folder, written if it is not there. float32; the tokenizer is the bytes with ChatML, and words that no text
    is cut into."""
    folder = pathlib.Path(folder)
    if (folder / "model.safetensors").exists():
        return folder
    tiny_model.write(folder)
    config = json.loads((folder / "config.json").read_text())
    config.update(hidden_size=shape.width, intermediate_size=shape.mlp, num_hidden_layers=shape.layers, num_attention_heads=shape.heads,
                  num_key_value_heads=shape.kv_heads, vocab_size=shape.vocabulary, max_position_embeddings=shape.context)
    (folder / "config.json").write_text(json.dumps(config, indent=2))
    tokenizer = json.loads((folder / "tokenizer.json").read_text())
    for token in range(tiny_model.VOCABULARY, shape.vocabulary):
        tokenizer["model"]["vocab"][f"z{token:06}"] = token
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    header, offset = {}, 0
    for name, size in shape.tensors():
        count = 4 * math.prod(size)
        header[name] = {"dtype": "F32", "shape": list(size), "data_offsets": [offset, offset + count]}
        offset += count
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    draw = random.Random(seed)
    block = array.array("f", (draw.uniform(-1.0, 1.0) for _ in range(NOISE)))
    with open(folder / "model.safetensors.part", "wb") as out:
        out.write(struct.pack("<Q", len(text)) + text)
        for _, size in shape.tensors():
            count = math.prod(size)
            if len(size) == 1:
                out.write(array.array("f", [1.0] * count).tobytes())
                continue
            scaled = array.array("f", (value * (3.0 / size[1]) ** 0.5 for value in block)).tobytes()
            for _ in range(count // NOISE):  # never large: what this process holds, a child's peak would seem to hold
                out.write(scaled)
            out.write(scaled[: 4 * (count % NOISE)])
    (folder / "model.safetensors.part").rename(folder / "model.safetensors")
    return folder


def write_rows(path, gsm8k, count=64):
    """`count` questions for ours and for the peers alike: the first ones of GSM8K's train.jsonl, or sums where there is none."""
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    if gsm8k:
        with open(gsm8k, encoding="utf-8") as lines:
            rows = [json.loads(line) for _, line in zip(range(count), lines)]
    else:
        draw = random.Random(1)
        pairs = [(draw.randint(1, 9), draw.randint(1, 9)) for _ in range(count)]
        rows = [{"question": f"What is {a} + {b}?", "answer": str(a + b)} for a, b in pairs]
    path.write_text("".join(json.dumps({"question": row["question"], "answer": row["answer"]}) + "\n" for row in rows))
    return path


def write_fixed_rows(path, characters, count=64):
    """Questions of exactly so many characters, which are as many tokens to the random models; all differ."""
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = [{"question": (f"{i:06} " + "abcdefgh " * (characters // 9 + 1))[:characters], "answer": "1"} for i in range(count)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path
