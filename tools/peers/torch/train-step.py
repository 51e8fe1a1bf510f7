"""The training step of train-step.mjs in PyTorch, written the way it is usually written: whole batches, fused attention.

Reads lines from standard input: each line runs one step, and is answered by one line of JSON. Run by train-step.mjs.
"""

import argparse
import json
import math
import pathlib
import sys
import time

import numpy
import torch
from torch.nn import functional

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "oracles" / "pytorch"))
from gated_llama import rope_frequencies  # noqa: E402
from gguf_weights import read_gguf  # noqa: E402

MATRICES = ["query", "key", "value", "attentionOutput", "mlpGate", "mlpUp", "mlpDown"]
LORA_ALPHA = 16


class Step:
    def __init__(self, path, start, precision, batch, length, rank):
        config, weights = read_gguf(path)
        self.config, self.batch, self.length, self.scale = config, batch, length, LORA_ALPHA / rank
        kind = torch.bfloat16 if precision == "bf16" else torch.float32
        self.autocast = precision == "bf16"
        self.tokens = torch.from_numpy(numpy.fromfile(start, numpy.int32, batch * length).astype(numpy.int64)).view(batch, length)
        drawn = numpy.fromfile(start, numpy.float32, offset=4 * batch * length)
        self.frozen = {name: weight.to(kind if weight.dim() > 1 and weight.shape[0] > 1 else torch.float32) for name, weight in weights.items()}
        self.trained = {}
        width = config["hiddenSize"]
        for layer in range(config["layers"]):
            for name in MATRICES:
                rows, columns = self.frozen[f"layers.{layer}.{name}"].shape
                self.trained[f"layers.{layer}.{name}.down"] = torch.from_numpy(drawn[: rank * columns].copy()).view(rank, columns)
                drawn = drawn[rank * columns :]
                self.trained[f"layers.{layer}.{name}.up"] = torch.zeros(rows, rank)
        for branch in range(2 * config["layers"]):
            self.trained[f"branches.{branch}.weight"] = torch.zeros(1, width)
            self.trained[f"branches.{branch}.bias"] = torch.full((1,), 2.0)
        for parameter in self.trained.values():
            parameter.requires_grad_()
        angles = torch.arange(length, dtype=torch.float64)[:, None] * rope_frequencies(config)[None]
        self.cosine, self.sine = torch.cos(angles).float(), torch.sin(angles).float()

    def project(self, x, name):
        low = functional.linear(functional.linear(x, self.trained[name + ".down"]), self.trained[name + ".up"])
        return functional.linear(x, self.frozen[name]) + self.scale * low

    def rotate(self, x):
        """x: [batch, heads, length, size]; pairs lie side by side."""
        a, b = x[..., 0::2], x[..., 1::2]
        return torch.stack([a * self.cosine - b * self.sine, a * self.sine + b * self.cosine], -1).flatten(-2).to(x.dtype)

    def norm(self, h, name):
        return functional.rms_norm(h, (h.shape[-1],), self.frozen[name].view(-1), self.config["rmsNormEpsilon"])

    def attention(self, x, layer):
        heads = lambda y: y.view(self.batch, self.length, -1, self.config["headSize"]).transpose(1, 2)
        q, k, v = (heads(self.project(x, f"layers.{layer}.{name}")) for name in ("query", "key", "value"))
        mixed = functional.scaled_dot_product_attention(self.rotate(q), self.rotate(k), v, is_causal=True, enable_gqa=True)
        return self.project(mixed.transpose(1, 2).reshape(self.batch, self.length, -1), f"layers.{layer}.attentionOutput")

    def mlp(self, x, layer):
        inner = functional.silu(self.project(x, f"layers.{layer}.mlpGate")) * self.project(x, f"layers.{layer}.mlpUp")
        return self.project(inner, f"layers.{layer}.mlpDown")

    def loss(self, tokens, threshold, temperature):
        h = self.frozen["tokenEmbedding"][tokens].float()
        for branch in range(2 * self.config["layers"]):
            layer, is_attention = branch // 2, branch % 2 == 0
            x = self.norm(h, f"layers.{layer}.{'attentionNorm' if is_attention else 'mlpNorm'}")
            score = torch.sigmoid(functional.linear(x.detach().float(), self.trained[f"branches.{branch}.weight"], self.trained[f"branches.{branch}.bias"]))
            f = (self.attention if is_attention else self.mlp)(x, layer)
            soft = torch.sigmoid((score - threshold) / temperature)
            h = h + torch.where(score > threshold, f, 0) + (soft - soft.detach()) * f.detach()
        logits = functional.linear(self.norm(h, "outputNorm"), self.frozen["tokenEmbedding"])[:, :-1]
        return functional.cross_entropy(logits.reshape(-1, logits.shape[-1]).float(), tokens[:, 1:].reshape(-1))

    def run(self):
        for parameter in self.trained.values():
            parameter.grad = None
        started = time.perf_counter()
        with torch.autocast("cpu", torch.bfloat16, enabled=self.autocast):
            loss = self.loss(self.tokens, 0.5, 0.1)
        loss.backward()
        seconds = time.perf_counter() - started
        norm = math.sqrt(sum(float(parameter.grad.square().sum()) for name, parameter in self.trained.items() if name.endswith(".up")))
        return {"seconds": seconds, "loss": loss.item(), "loraGradientNorm": norm}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("model")
    parser.add_argument("start", help="tokens and first half of the low-rank additions, as train-step.mjs writes them")
    parser.add_argument("--precision", choices=["f32", "bf16"], default="f32")
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--length", type=int, default=512)
    parser.add_argument("--rank", type=int, default=8)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    step = Step(options.model, options.start, options.precision, options.batch, options.length, options.rank)
    print(json.dumps({"torch": torch.__version__, "threads": torch.get_num_threads()}), flush=True)
    for _ in sys.stdin:
        print(json.dumps(step.run()), flush=True)


if __name__ == "__main__":
    main()
