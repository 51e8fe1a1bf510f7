"""Weights of a llama GGUF file as float64 tensors under the project's canonical names. Reads F32, Q4_1, Q8_0 and Q4_0."""

import struct

import numpy as np
import torch

NAMES = {
    "attn_norm": "attentionNorm", "attn_q": "query", "attn_k": "key", "attn_v": "value", "attn_output": "attentionOutput",
    "ffn_norm": "mlpNorm", "ffn_gate": "mlpGate", "ffn_up": "mlpUp", "ffn_down": "mlpDown",
}  # fmt: skip
SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
BLOCKS = {0: ("F32", 1, 4), 2: ("Q4_0", 32, 18), 3: ("Q4_1", 32, 20), 8: ("Q8_0", 32, 34)}


class Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def scalar(self, code):
        value = struct.unpack_from("<" + code, self.data, self.at)[0]
        self.at += struct.calcsize("<" + code)
        return value

    def text(self):
        length = self.scalar("Q")
        self.at += length
        return bytes(self.data[self.at - length : self.at]).decode()

    def value(self, kind):
        if kind == 8:
            return self.text()
        if kind == 9:
            inner, count = self.scalar("I"), self.scalar("Q")
            return [self.value(inner) for _ in range(count)]
        return self.scalar(SCALARS[kind])


def read_gguf(path):
    """(config, weights)"""
    data = np.memmap(path, dtype=np.uint8, mode="r")
    reader = Reader(data)
    assert reader.scalar("I") == 0x46554747 and reader.scalar("I") == 3
    tensors, keys = reader.scalar("Q"), reader.scalar("Q")
    metadata = {}
    for _ in range(keys):
        key = reader.text()
        metadata[key] = reader.value(reader.scalar("I"))
    infos = []
    for _ in range(tensors):
        name = reader.text()
        shape = [reader.scalar("Q") for _ in range(reader.scalar("I"))]
        infos.append((name, shape[::-1], reader.scalar("I"), reader.scalar("Q")))
    alignment = metadata.get("general.alignment", 32)
    base = -(-reader.at // alignment) * alignment
    weights = {canonical(name): dequantise(data[base + offset :], kind, shape) for name, shape, kind, offset in infos}
    return config_of(metadata, weights), weights


def canonical(name):
    fixed = {"token_embd.weight": "tokenEmbedding", "output_norm.weight": "outputNorm", "output.weight": "output"}
    if name in fixed:
        return fixed[name]
    _, layer, part, _ = name.split(".")
    return f"layers.{layer}.{NAMES[part]}"


def dequantise(data, kind, shape):
    name, elements, size = BLOCKS[kind]
    count = int(np.prod(shape))
    raw = np.asarray(data[: count // elements * size])
    if name == "F32":
        return torch.from_numpy(raw.view("<f4").astype(np.float64)).view(*shape)
    blocks = raw.reshape(-1, size)
    scale = blocks[:, :2].copy().view("<f2").astype(np.float64)
    if name == "Q8_0":
        values = blocks[:, 2:].view(np.int8) * scale
    else:
        nibbles = blocks[:, size - 16 :]
        codes = np.concatenate([nibbles & 15, nibbles >> 4], 1).astype(np.float64)
        values = (codes - 8) * scale if name == "Q4_0" else codes * scale + blocks[:, 2:4].copy().view("<f2").astype(np.float64)
    # Readers store the product as float32.
    return torch.from_numpy(values.astype(np.float32).astype(np.float64)).view(*shape)


def config_of(metadata, weights):
    key = lambda name: metadata["llama." + name]
    head_size = metadata.get("llama.attention.key_length", key("embedding_length") // key("attention.head_count"))
    return {
        "layers": key("block_count"), "hiddenSize": key("embedding_length"), "heads": key("attention.head_count"),
        "kvHeads": key("attention.head_count_kv"), "headSize": head_size, "intermediateSize": key("feed_forward_length"),
        "rmsNormEpsilon": key("attention.layer_norm_rms_epsilon"), "ropeTheta": key("rope.freq_base"), "ropeSize": key("rope.dimension_count"),
        "ropeLayout": "interleaved", "vocabularySize": weights["tokenEmbedding"].shape[0],
    }  # fmt: skip
