"""A Llama model small enough to run in no time, as a Hugging Face folder: python3 tests/support/tiny_model.py FOLDER

2 layers of width 32, 4 heads (2 for keys and values), a vocabulary of the 256 bytes and two ChatML tokens, context 512. Its
weights are noise that depends on nothing but their names, so it says nonsense, always the same. Standard library only.
"""

import hashlib
import json
import math
import pathlib
import struct
import sys

WIDTH, MLP, LAYERS, HEADS, KV_HEADS, VOCABULARY, CONTEXT = 32, 64, 2, 4, 2, 258, 512
IM_START, IM_END = 256, 257
CHATML = ("{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n' }}"
          "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}")


def byte_alphabet():
    """GPT-2's printable stand-ins for the 256 bytes."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    spare = iter(range(256, 512))
    return [chr(b) if b in printable else chr(next(spare)) for b in range(256)]


def tokenizer():
    vocabulary = {character: byte for byte, character in enumerate(byte_alphabet())}
    added = [{"id": i, "content": text, "special": True, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False}
             for i, text in ((IM_START, "<|im_start|>"), (IM_END, "<|im_end|>"))]
    level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    return {"version": "1.0", "truncation": None, "padding": None, "added_tokens": added, "normalizer": None, "pre_tokenizer": level,
            "post_processor": None, "decoder": level,
            "model": {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None,
                      "end_of_word_suffix": None, "fuse_unk": False, "byte_fallback": False, "vocab": vocabulary, "merges": []}}


def noise(name, count, scale):
    """`count` floats in [-scale, scale), little-endian, from the name."""
    out, block = [], 0
    while len(out) < count:
        digest = hashlib.sha512(f"{name} {block}".encode()).digest()
        out += [(v / 2**31 - 1) * scale for v in struct.unpack("<16I", digest)]
        block += 1
    return struct.pack(f"<{count}f", *out[:count])


def shapes():
    head = WIDTH // HEADS
    yield "model.embed_tokens.weight", (VOCABULARY, WIDTH)
    for i in range(LAYERS):
        layer = f"model.layers.{i}."
        yield layer + "input_layernorm.weight", (WIDTH,)
        yield layer + "self_attn.q_proj.weight", (WIDTH, WIDTH)
        yield layer + "self_attn.k_proj.weight", (KV_HEADS * head, WIDTH)
        yield layer + "self_attn.v_proj.weight", (KV_HEADS * head, WIDTH)
        yield layer + "self_attn.o_proj.weight", (WIDTH, WIDTH)
        yield layer + "post_attention_layernorm.weight", (WIDTH,)
        yield layer + "mlp.gate_proj.weight", (MLP, WIDTH)
        yield layer + "mlp.up_proj.weight", (MLP, WIDTH)
        yield layer + "mlp.down_proj.weight", (WIDTH, MLP)
    yield "model.norm.weight", (WIDTH,)


def safetensors():
    header, data = {}, b""
    for name, shape in shapes():
        count = math.prod(shape)
        values = struct.pack(f"<{count}f", *[1.0] * count) if len(shape) == 1 else noise(name, count, 0.3)
        header[name] = {"dtype": "F32", "shape": list(shape), "data_offsets": [len(data), len(data) + len(values)]}
        data += values
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + data


def write(folder):
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    config = {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_act": "silu", "hidden_size": WIDTH,
              "intermediate_size": MLP, "num_hidden_layers": LAYERS, "num_attention_heads": HEADS, "num_key_value_heads": KV_HEADS,
              "vocab_size": VOCABULARY, "max_position_embeddings": CONTEXT, "rms_norm_eps": 1e-5, "rope_theta": 10000.0,
              "tie_word_embeddings": True, "bos_token_id": IM_START, "eos_token_id": IM_END, "torch_dtype": "float32"}
    (folder / "config.json").write_text(json.dumps(config, indent=2))
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer()))
    (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "PreTrainedTokenizerFast", "bos_token": "<|im_start|>",
                                                              "eos_token": "<|im_end|>", "chat_template": CHATML}))
    (folder / "model.safetensors").write_bytes(safetensors())
    return folder


if __name__ == "__main__":
    write(sys.argv[1])
