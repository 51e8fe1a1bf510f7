"""Writes the highest next-token logits of SmolLM2-135M-Instruct (Q4_1 weights, dequantised) at every position of one text.

    python tools/oracles/pytorch/make_smollm2_vectors.py MODEL.gguf packages/backend-reference/test/fixtures/pytorch-smollm2.json

The token ids are those of TEXT without a begin token, as llama.cpp's tokenizer gives them.
"""

import hashlib
import json
import sys

import torch

from gated_llama import forward
from gguf_weights import read_gguf

torch.set_num_threads(2)
TEXT = "A river does not hurry, yet it reaches the sea. Each stone that it meets is worn a little smoother, and"
TOKENS = [49, 4626, 1072, 441, 35932, 28, 2408, 357, 9732, 260, 3426, 30, 3768, 5692, 338, 357, 11675, 314, 11742, 253, 1838, 26901, 28, 284]
TOP = 64


def main(model_path, path):
    config, weights = read_gguf(model_path)
    logits, _ = forward(config, weights, TOKENS)
    top = torch.topk(logits, TOP)
    with open(model_path, "rb") as file:
        digest = hashlib.sha256(file.read()).hexdigest()
    fixture = {
        "model": "SmolLM2-135M-Instruct Q4_1",
        "sha256": digest,
        "text": TEXT,
        "tokens": TOKENS,
        "topTokens": top.indices.tolist(),
        "topLogits": [[round(value, 6) for value in row] for row in top.values.tolist()],
        "logSumExp": [round(value, 6) for value in torch.logsumexp(logits, -1).tolist()],
    }
    with open(path, "w") as file:
        json.dump(fixture, file, separators=(",", ":"))
        file.write("\n")


main(sys.argv[1], sys.argv[2])
