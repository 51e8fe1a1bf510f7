"""Writes packages/backend-reference/test/fixtures/pytorch-training.json: a tiny gated model with low-rank additions,
micro-batches, and the losses and gradients that PyTorch's autograd finds in float64.

    python tools/oracles/pytorch/make_training_vectors.py packages/backend-reference/test/fixtures/pytorch-training.json

Parameters are drawn and rounded to float16, so that both sides start from the same numbers; gradients are float32.
"""

import base64
import json
import sys

import numpy as np
import torch
from gated_llama_training import loss_of

torch.set_num_threads(2)
torch.manual_seed(20261122)

CONFIG = {
    "architecture": "llama", "name": "pytorch-training", "layers": 2, "hiddenSize": 12, "heads": 4, "kvHeads": 2, "headSize": 4,
    "intermediateSize": 16, "vocabularySize": 24, "contextLength": 32, "rmsNormEpsilon": 1e-5, "ropeTheta": 10000.0,
    "ropeLayout": "interleaved", "ropeSize": 4, "tiedEmbeddings": False,
}  # fmt: skip
LENGTHS = [7, 4]
TOKENS = [3, 17, 12, 8, 8, 21, 0, 9, 13, 2, 14]
PINNED = [1, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0]
RANK, HIDDEN, K = 3, 5, 6
N, D, FF, V = len(TOKENS), CONFIG["hiddenSize"], CONFIG["intermediateSize"], CONFIG["vocabularySize"]
Q, KV = CONFIG["heads"] * CONFIG["headSize"], CONFIG["kvHeads"] * CONFIG["headSize"]
BRANCHES = 2 * CONFIG["layers"]
LORA = {"rank": 2, "alpha": 3.0, "matrices": ["query", "key", "value", "attentionOutput", "mlpGate", "mlpUp", "mlpDown"], "seed": 1}


def draw(*shape, scale=1.0, mean=0.0):
    return (torch.randn(*shape, dtype=torch.float64) * scale + mean).half().double()


def encode(tensor, dtype):
    return base64.b64encode(np.ascontiguousarray(tensor.detach().numpy().astype(dtype)).tobytes()).decode()


def draw_backbone():
    parameters = {"tokenEmbedding": draw(V, D)}
    for layer in range(CONFIG["layers"]):
        shapes = {
            "attentionNorm": (1, D), "query": (Q, D), "key": (KV, D), "value": (KV, D), "attentionOutput": (D, Q),
            "mlpNorm": (1, D), "mlpGate": (FF, D), "mlpUp": (FF, D), "mlpDown": (D, FF),
        }  # fmt: skip
        for name, shape in shapes.items():
            is_norm = name.endswith("Norm")
            parameters[f"layers.{layer}.{name}"] = draw(*shape, scale=0.1, mean=1.0) if is_norm else draw(*shape, scale=1.3 * shape[1] ** -0.5)
    return parameters | {"outputNorm": draw(1, D, scale=0.1, mean=1.0), "output": draw(V, D, scale=D**-0.5)}


def draw_lora(backbone):
    parameters = {}
    for name, weight in backbone.items():
        if name.split(".")[-1] in LORA["matrices"]:
            rows, columns = weight.shape
            parameters[f"{name}.loraDown"] = draw(LORA["rank"], columns, scale=columns**-0.5)
            parameters[f"{name}.loraUp"] = draw(rows, LORA["rank"], scale=0.3)
    return parameters


def draw_gates(variant, sharing):
    prefixes = ["shared.attention", "shared.mlp"] if sharing == "shared" else [f"branches.{branch}" for branch in range(BRANCHES)]
    shapes = {
        "vector": {"weight": (D, D), "bias": (D,)},
        "scalar": {"weight": (1, D), "bias": (1,)},
        "mlp": {"weight": (D, HIDDEN), "bias": (D,), "down": (HIDDEN, D), "downBias": (HIDDEN,)},
        "low-rank": {"weight": (D, RANK), "bias": (D,), "down": (RANK, D)},
        "hybrid": {"weight": (D, D), "bias": (D,), "scalarWeight": (D,), "scalarBias": (1,)},
    }[variant]
    return {f"{prefix}.{name}": draw(*shape, scale=0.5 * shape[-1] ** -0.5 + 0.3) for prefix in prefixes for name, shape in shapes.items()}


def middle_of_widest_gap(scores):
    """A threshold as far from every score as it can be, in the middle half of them, exact in float32."""
    ordered = torch.sort(scores).values
    low, high = len(ordered) // 4, len(ordered) * 3 // 4
    gaps = ordered[low + 1 : high + 1] - ordered[low:high]
    at = low + int(torch.argmax(gaps))
    return float(np.float32((ordered[at] + ordered[at + 1]) / 2))


def main(path):
    backbone = draw_backbone()
    lora = draw_lora(backbone)
    stand_ins = {f"branches.{branch}.standIn": draw(D, scale=0.4) for branch in range(BRANCHES)}
    probabilities = torch.softmax(draw(N, V, scale=2.0), -1)
    top = torch.topk(probabilities, K)
    log_p = top.values.log().float().double()
    tail = (1 - log_p.exp().sum(-1)).float().double()
    teacher = {"count": K, "tokens": top.indices.tolist(), "logProbabilities": log_p, "tailMass": tail, "weight": 1.25}
    targets = [*TOKENS[1:7], -1, *TOKENS[8:], -1]
    cross_entropy = {"targets": targets, "weight": 0.75}
    row_weights = [1.0, 0.5, 1.0, 2.0, 0.0, 1.0, 1.0, 0.25, 1.0, 1.0, 3.0]
    sparsity = {"kind": "l2", "weight": 0.5, "rows": [1, 1, 1, 1, 1, 1, 0, 1, 1, 1, 0]}
    fixed = {"lora": lora, "norms": {}, "backbone": {}, "standIns": stand_ins}
    for name, tensor in backbone.items():
        fixed["norms" if name.lower().endswith("norm") else "backbone"][name] = tensor
    cases, drawn_gates = [], {}

    def add(name, trainable, loss, config=None, variant=None, sharing="separate", position="before", multiplies=False, scorer="gate",
            rules=None, values=None, kv="project", straight_through=None, detach=True):  # fmt: skip
        config = CONFIG | (config or {})
        gates = {}
        if variant is not None:
            gates = drawn_gates.setdefault(f"{variant}, {sharing}", draw_gates(variant, sharing))
        groups = fixed | {"gates": gates}
        uses_lora, uses_gates = "lora" in trainable, variant is not None
        in_use = [group for group in groups if (group != "lora" or uses_lora) and (group not in ("gates", "standIns") or uses_gates)]
        parameters = {key: tensor.clone() for group in in_use for key, tensor in groups[group].items()}
        if config["tiedEmbeddings"]:
            del parameters["output"]
        wanted = [key for group in trainable for key in groups[group] if key in parameters]
        for key in wanted:
            parameters[key].requires_grad_(True)
        spec = {"variant": variant, "sharing": sharing, "position": position, "multiplies": multiplies, "rank": RANK, "hidden": HIDDEN}
        plan = {"scorer": scorer, "rules": rules or ["keep"] * BRANCHES, "values": list(values or [0.0] * BRANCHES), "kv": kv, "pinned": PINNED}
        case = {
            "tokens": TOKENS, "segmentLengths": LENGTHS, "plan": plan, "spec": spec if uses_gates else None, "lora": LORA,
            "straightThrough": straight_through, "detachGateInput": detach, "loss": loss,
        }  # fmt: skip
        if values == "widest gaps":
            plan["values"] = choose_thresholds(config, parameters, case)
        (total, parts), kept = loss_of(config, parameters, case)
        total.backward()
        shown = {**loss}
        if "teacher" in loss:
            shown["teacher"] = {**teacher, "tokens": sum(teacher["tokens"], []), "logProbabilities": encode(log_p, "<f4"), "tailMass": encode(tail, "<f4")}
        cases.append(
            {
                "name": name, "config": config, "trainable": trainable, "gates": f"{variant}, {sharing}" if uses_gates else None,
                "spec": case["spec"], "plan": plan, "straightThrough": straight_through, "detachGateInput": detach, "loss": shown,
                "kept": "".join(map(str, kept.int().flatten().tolist())), "total": total.item(),
                "parts": {key: part.item() for key, part in parts.items()},
                "gradients": {key: None if parameters[key].grad is None else encode(parameters[key].grad, "<f4") for key in wanted},
            }  # fmt: skip
        )

    def choose_thresholds(config, parameters, case):
        """One branch after another: what earlier branches skip changes the scores of later ones."""
        values = [0.0] * BRANCHES
        for branch in range(BRANCHES):
            rules = ["threshold"] * branch + ["keep"] * (BRANCHES - branch)
            probe = case | {"plan": case["plan"] | {"rules": rules, "values": values}, "straightThrough": None, "loss": {"probe": {"weight": 0}}}
            values[branch] = middle_of_widest_gap(scores_of(config, parameters, probe, branch))
        return values

    threshold, tuned = ["threshold"] * BRANCHES, "widest gaps"
    teach = {"rowWeights": row_weights, "teacher": teacher}
    follow = {"crossEntropy": cross_entropy}
    add("everything, cross-entropy", ["norms", "backbone"], follow, scorer="none")
    half = {"ropeLayout": "half", "ropeSize": 2, "tiedEmbeddings": True}
    add("everything, tied, teacher and cross-entropy", ["norms", "backbone"], teach | follow, config=half, scorer="none")
    for kv in ("project", "absent", "alias"):
        add(f"the recipe: scalar gates, stand-ins, low-rank, teacher, kv {kv}", ["gates", "standIns", "lora"], teach, variant="scalar",
            rules=threshold, values=tuned, kv=kv, straight_through={"temperature": 0.15})  # fmt: skip
    add("published: vector gates multiply, quantile, L2, alias", ["gates", "norms", "backbone"], follow | {"gates": sparsity}, variant="vector",
        multiplies=True, rules=["quantile"] * BRANCHES, values=[0.3125] * BRANCHES, kv="alias")  # fmt: skip
    add("gates that multiply and are straight through, input not detached", ["gates", "standIns", "lora", "norms"], teach, variant="low-rank",
        multiplies=True, rules=threshold, values=tuned, kv="absent", straight_through={}, detach=False)  # fmt: skip
    add("shared mlp gates, fraction, straight through, L1, input not detached", ["gates", "standIns", "norms"],
        follow | {"gates": sparsity | {"kind": "l1"}}, variant="mlp", sharing="shared", rules=["fraction"] * BRANCHES, values=[0.5] * BRANCHES,
        straight_through={"temperature": 0.25}, detach=False)  # fmt: skip
    add("hybrid gates, quantile, straight through, density", ["gates", "standIns"],
        teach | {"gates": sparsity | {"kind": "density", "density": 0.75}}, variant="hybrid", multiplies=True,
        rules=["quantile", "keep", "quantile", "quantile"], values=[0.3125, 0, 0.4375, 0.3125],
        straight_through={"temperature": 0.2})  # fmt: skip
    add("vector gates after the branch", ["gates", "lora"], follow, variant="vector", position="after", multiplies=True)
    add("vector gates after the branch, input not detached", ["gates", "norms"], teach, variant="vector", position="after", multiplies=True, detach=False)
    add("dropped branches: stand-ins, low-rank and norms", ["standIns", "lora", "norms"], teach, variant="scalar", scorer="none",
        rules=["keep", "repeat", "repeat", "keep"], values=[0.0, 0.0, 0.0, 0.0], kv="absent")  # fmt: skip
    add("budget held: scalar gates, stand-ins, low-rank, teacher", ["gates", "standIns", "lora"], teach, variant="scalar", rules=threshold,
        values=tuned, straight_through={"temperature": 0.15, "savings": [3.0, 5.5, 2.0, 7.0]})  # fmt: skip
    add("budget held: hybrid gates multiply, quantile, density, one branch keeps", ["gates", "standIns"],
        teach | {"gates": sparsity | {"kind": "density", "density": 0.75}}, variant="hybrid", multiplies=True,
        rules=["quantile", "keep", "quantile", "quantile"], values=[0.3125, 0, 0.4375, 0.3125],
        straight_through={"temperature": 0.2, "savings": [3.0, 5.5, 2.0, 0.0]})  # fmt: skip
    add("budget held: shared mlp gates, fraction, slope 1", ["gates", "standIns", "norms"], follow, variant="mlp", sharing="shared",
        rules=["fraction"] * BRANCHES, values=[0.5] * BRANCHES, straight_through={"savings": [1.0, 2.0, 3.0, 4.0]})  # fmt: skip
    fixture = {
        "tokens": TOKENS, "segmentLengths": LENGTHS, "lora": LORA,
        "groups": {group: {key: encode(tensor, "<f2") for key, tensor in tensors.items()} for group, tensors in fixed.items()},
        "gates": {kind: {key: encode(tensor, "<f2") for key, tensor in tensors.items()} for kind, tensors in drawn_gates.items()},
        "cases": cases,
    }  # fmt: skip
    with open(path, "w") as file:
        json.dump(fixture, file, separators=(",", ":"))
        file.write("\n")


def scores_of(config, parameters, case, branch):
    seen = {}
    with torch.no_grad():
        loss_of(config, parameters, case, observe=lambda index, scores, _: seen.__setitem__(index, scores))
    return seen[branch][~torch.as_tensor(PINNED).bool()]


main(sys.argv[1])
