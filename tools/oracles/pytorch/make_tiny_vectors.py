"""Writes packages/backend-reference/test/fixtures/pytorch-tiny.json: a tiny model, gates, and what PyTorch makes of them.

    python tools/oracles/pytorch/make_tiny_vectors.py packages/backend-reference/test/fixtures/pytorch-tiny.json

Weights are drawn, rounded to float16 and stored as such, so that both sides start from the same numbers.
"""

import base64
import json
import sys

import numpy as np
import torch

from gated_llama import forward

torch.set_num_threads(2)
torch.manual_seed(20251113)

CONFIG = {
    "architecture": "llama", "name": "pytorch-tiny", "layers": 3, "hiddenSize": 32, "heads": 4, "kvHeads": 2, "headSize": 8,
    "intermediateSize": 48, "vocabularySize": 40, "contextLength": 64, "rmsNormEpsilon": 1e-5, "ropeTheta": 10000.0,
    "ropeLayout": "interleaved", "ropeSize": 8, "tiedEmbeddings": False,
}  # fmt: skip
TOKENS = [3, 17, 32, 8, 8, 21, 0, 29, 33, 12, 14, 5, 37, 20]
PINNED = 1
RANK, HIDDEN = 4, 6
D, FF, V = CONFIG["hiddenSize"], CONFIG["intermediateSize"], CONFIG["vocabularySize"]
Q, KV = CONFIG["heads"] * CONFIG["headSize"], CONFIG["kvHeads"] * CONFIG["headSize"]


def draw(*shape, scale=1.0, mean=0.0):
    values = torch.randn(*shape, dtype=torch.float64) * scale + mean
    return values.half().double()


def draw_weights():
    weights = {"tokenEmbedding": draw(V, D)}
    for layer in range(CONFIG["layers"]):
        shapes = {
            "attentionNorm": (1, D), "query": (Q, D), "key": (KV, D), "value": (KV, D), "attentionOutput": (D, Q),
            "mlpNorm": (1, D), "mlpGate": (FF, D), "mlpUp": (FF, D), "mlpDown": (D, FF),
        }  # fmt: skip
        for name, shape in shapes.items():
            is_norm = name.endswith("Norm")
            gain = 1.6 if name in ("query", "key") else 1.0
            weights[f"layers.{layer}.{name}"] = draw(*shape, scale=0.1, mean=1.0) if is_norm else draw(*shape, scale=gain * shape[1] ** -0.5)
    weights["outputNorm"] = draw(1, D, scale=0.1, mean=1.0)
    weights["output"] = draw(V, D, scale=D**-0.5)
    return weights


def draw_gate(variant):
    """One direction that all output dimensions follow, so that scores spread over (0, 1)."""
    direction = draw(1, D, scale=1.5 * D**-0.5)
    if variant == "scalar":
        return {"weight": direction, "bias": draw(1, scale=0.3)}
    if variant in ("vector", "hybrid"):
        p = {"weight": (direction + draw(D, D, scale=0.4 * D**-0.5)).half().double(), "bias": draw(D, scale=0.3)}
        return p | ({"scalarWeight": draw(D, scale=0.4 * D**-0.5), "scalarBias": draw(1, mean=1.0)} if variant == "hybrid" else {})
    if variant == "low-rank":
        mix = draw(D, RANK, scale=0.3)
        mix[:, 0] = 1
        return {"weight": mix, "bias": draw(D, scale=0.3), "down": torch.cat([direction, draw(RANK - 1, D, scale=D**-0.5)])}
    mix = draw(D, HIDDEN, scale=0.3)
    mix[:, 0], mix[:, 1] = 1, -1
    down = torch.cat([direction, -direction, draw(HIDDEN - 2, D, scale=D**-0.5)])
    return {"weight": mix, "bias": draw(D, scale=0.3), "down": down, "downBias": draw(HIDDEN, scale=0.1)}


def choose(branch, rule, scores):
    """Values as far from every score as they can be; a fraction or quantile must stand clear of the scores beside it."""
    ordered = torch.sort(scores).values
    if rule == "threshold":
        low, high = int(0.2 * len(ordered)), int(0.75 * len(ordered))
        gaps = ordered[low + 1 : high + 1] - ordered[low:high]
        at = low + int(torch.argmax(gaps))
        value, margin = float(np.float32((ordered[at] + ordered[at + 1]) / 2)), float(gaps.max()) / 2
    else:
        # A 64th is exact in float32, so that both sides have the same value.
        candidates = [k / 64 for k in range(16, 46)]
        margin, value = max((clearance(rule, k, ordered), k) for k in candidates)
    assert margin > 1e-4, (branch, rule, margin)
    return value


def clearance(rule, value, ordered):
    if rule == "fraction":
        skipped = int(value * len(ordered))
        return float(ordered[skipped] - ordered[skipped - 1])
    return float((ordered - torch.quantile(ordered, value)).abs().min())


def encode(tensor, dtype):
    return base64.b64encode(np.ascontiguousarray(tensor.numpy().astype(dtype)).tobytes()).decode()


def main(path):
    weights = draw_weights()
    branches = 2 * CONFIG["layers"]
    adapters = {name: [draw_gate(name) for _ in range(branches)] for name in ("vector", "scalar", "mlp", "low-rank", "hybrid")}
    stand_ins = [draw(D, scale=0.3) for _ in range(branches)]
    cases = []

    def add(name, config=None, variant=None, multiplies=False, position="before", with_stand_ins=True, scorer="gate", rules=None, values=None, kv="project"):
        config = config or {}
        plan = {"scorer": scorer, "rules": rules or ["keep"] * branches, "values": values or [0.0] * branches, "kv": kv, "standIns": with_stand_ins, "pinned": PINNED}
        spec = {"variant": variant, "sharing": "separate", "position": position, "multiplies": multiplies, "rank": RANK, "hidden": HIDDEN}
        adapter = {"spec": spec, "gates": adapters[variant], "standIns": stand_ins} if variant else None
        logits, kept = forward(CONFIG | config, weights, TOKENS, plan, adapter, choose)
        cases.append({"name": name, "config": config, "spec": spec if variant else None, "plan": plan, "logits": encode(logits, "<f4"), "kept": "".join(map(str, kept.int().flatten().tolist()))})

    add("dense", scorer="none")
    add("half rope", {"ropeLayout": "half"}, scorer="none")
    add("rope over half of each head", {"ropeSize": 4}, scorer="none")
    add("linear rope scaling", {"ropeScaling": {"kind": "linear", "factor": 4.0}}, scorer="none")
    llama3 = {"kind": "llama3", "factor": 8.0, "lowFrequencyFactor": 1.0, "highFrequencyFactor": 4.0, "originalContextLength": 128}
    add("llama3 rope scaling", {"ropeScaling": llama3, "ropeLayout": "half"}, scorer="none")
    for variant in adapters:
        for multiplies in (False, True):
            form = "multiplying" if multiplies else "scoring"
            add(f"{variant} gate, {form}, threshold", variant=variant, multiplies=multiplies, rules=["threshold"] * branches)
        add(f"{variant} gate after the branch", variant=variant, multiplies=True, position="after")
    for kv in ("project", "absent", "alias"):
        for rule in ("threshold", "fraction", "quantile"):
            add(f"{rule}, kv {kv}", variant="scalar", rules=[rule] * branches, kv=kv)
        repeats = [1.0, 2.0, 2.0, 0.0, 0.0, 2.0]
        add(f"repeat, kv {kv}", variant="scalar", scorer="none", rules=["repeat"] * branches, values=repeats, kv=kv)
        add(f"repeat with multiplying gates, kv {kv}", variant="vector", multiplies=True, rules=["repeat"] * branches, values=[2.0, 2.0, 0.0, 2.0, 2.0, 0.0], kv=kv)
    add("without stand-ins", variant="scalar", rules=["threshold"] * branches, with_stand_ins=False)
    fixture = {
        "config": CONFIG,
        "tokens": TOKENS,
        "weights": {name: encode(value, "<f2") for name, value in weights.items()},
        "gates": {variant: [{key: encode(value, "<f2") for key, value in gate.items()} for gate in gates] for variant, gates in adapters.items()},
        "standIns": [encode(value, "<f2") for value in stand_ins],
        "cases": cases,
    }
    with open(path, "w") as file:
        json.dump(fixture, file, separators=(",", ":"))
        file.write("\n")


main(sys.argv[1])
