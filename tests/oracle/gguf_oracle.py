"""Writes gguf.json: blocks of every tensor type with fixed bytes and what the `gguf` package (0.19) decodes them to,
floats and what it encodes them to, and a checksum of every tensor of the quick start's model.

    python tests/oracle/gguf_oracle.py [models/SmolLM2-135M-Instruct.Q4_1.gguf]

Floats are written as the hex of their little-endian bytes, so that the comparison is exact. The checksum of a tensor is
sum((i + 1) * bits(x_i)) mod 2^64 over its elements in file order, bits() being the float's 32-bit pattern.
"""

import hashlib
import json
import pathlib
import sys

import numpy as np
from gguf import GGUFReader
from gguf.constants import GGML_QUANT_SIZES, GGMLQuantizationType
from gguf.quants import dequantize, quantize

# type -> (elements, byte offsets of the half-precision fields inside a block)
TYPES = {
    "F32": (32, None),
    "F16": (64, [0]),
    "BF16": (64, None),
    "Q4_0": (128, [0]),
    "Q4_1": (128, [0, 2]),
    "Q5_0": (128, [0]),
    "Q5_1": (128, [0, 2]),
    "Q8_0": (128, [0]),
    "Q4_K": (768, [0, 2]),
    "Q5_K": (768, [0, 2]),
    "Q6_K": (768, [208]),
}


def stream(seed: str, count: int) -> bytearray:
    """Bytes that depend on nothing but the seed: no random library's version, no platform."""
    out = bytearray()
    while len(out) < count:
        out += hashlib.sha256(f"{seed} {len(out)}".encode()).digest()
    return out[:count]


def block_bytes(name: str, elements: int, halves) -> bytes:
    size, width = GGML_QUANT_SIZES[GGMLQuantizationType[name]]
    data = stream(name, elements // size * width)
    if name == "F32":  # any bit pattern but NaN
        data[3::4] = bytes(b & 0xBF for b in data[3::4])
    elif name == "BF16":
        data[1::2] = bytes(b & 0xBF for b in data[1::2])
    else:
        for begin in range(0, len(data), width):
            for half in halves:
                data[begin + half + 1] &= 0xBF  # finite
        for half in halves:  # the last block has a subnormal scale, negative
            data[len(data) - width + half : len(data) - width + half + 2] = bytes([3, 0x80])
    return bytes(data)


def floats_to_encode() -> np.ndarray:
    """All magnitudes that F16 knows, subnormals among them; one magnitude; ties of F16, BF16 and Q8_0; zeros and largest values."""
    bits = np.frombuffer(bytes(stream("encode", 4 * 256)), dtype="<u4")
    exponents = np.where(np.arange(256) < 128, 99 + (bits >> 16) % 43, 125 + (bits >> 16) % 3).astype(np.uint32)
    bits = (bits & 0x807FFFFF) | (exponents << 23)
    bits[::7] = (bits[::7] & 0xFFFFE000) | 0x1000
    bits[::11] = (bits[::11] & 0xFFFF0000) | 0x8000
    halves = np.linspace(-15.5, 15.5, 32, dtype=np.float32)
    halves[5] = 127.0
    edges = np.array([0.0, -0.0, 65504.0, -65504.0, 2.0**-14, 2.0**-24, 2.0**-25, 3 * 2.0**-25] + [1.0] * 24, dtype=np.float32)
    return np.concatenate([bits.view(np.float32), halves, np.zeros(32, dtype=np.float32), edges])


def checksum(values: np.ndarray) -> int:
    bits = np.ascontiguousarray(values, dtype=np.float32).reshape(-1).view(np.uint32).astype(np.uint64)
    return int((bits * np.arange(1, bits.size + 1, dtype=np.uint64)).sum(dtype=np.uint64))


def decoded(data: np.ndarray, kind: GGMLQuantizationType) -> np.ndarray:
    with np.errstate(invalid="ignore", over="ignore"):
        return np.ascontiguousarray(dequantize(data, kind), dtype=np.float32)


def main() -> None:
    model = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else "models/SmolLM2-135M-Instruct.Q4_1.gguf")
    blocks = {}
    for name, (elements, halves) in TYPES.items():
        raw = block_bytes(name, elements, halves)
        values = decoded(np.frombuffer(raw, dtype=np.uint8), GGMLQuantizationType[name]).reshape(-1)
        assert values.size == elements and np.isfinite(values).all(), name
        blocks[name] = {"bytes": raw.hex(), "floats": values.astype("<f4").tobytes().hex()}

    floats = floats_to_encode()
    encoded = {name: quantize(floats, GGMLQuantizationType[name]).tobytes().hex() for name in ("F32", "F16", "BF16", "Q8_0")}

    tensors = {}
    for tensor in GGUFReader(model).tensors:
        shape = [int(n) for n in reversed(tensor.shape)]
        values = decoded(tensor.data, tensor.tensor_type)
        assert values.size == int(np.prod(shape)), tensor.name
        tensors[tensor.name] = [tensor.tensor_type.name, shape, f"{checksum(values):016x}"]

    result = {"model": model.name, "blocks": blocks, "floats": floats.astype("<f4").tobytes().hex(), "encoded": encoded, "tensors": tensors}
    out = pathlib.Path(__file__).with_name("gguf.json")
    text = json.dumps(result, indent=0).replace("[\n", "[").replace(",\n", ", ").replace("\n]", "]")
    out.write_text(text.replace("], ", "],\n").replace("}, ", "},\n") + "\n")
    json.loads(out.read_text())
    print(f"{out}: {out.stat().st_size} bytes, {len(blocks)} types, {len(tensors)} tensors")


if __name__ == "__main__":
    main()
