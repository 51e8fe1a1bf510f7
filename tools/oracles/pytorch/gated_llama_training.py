"""A training step of a gated Llama in float64 PyTorch: the loss from the definitions, its gradients by autograd.

Written from the definitions and sharing nothing with the TypeScript. Rows of several packed segments are one matrix;
what a row may see is a mask.
"""

import math

import torch
from gated_llama import gate, rms_norm, rope_frequencies


def rotate(x, positions, config):
    """x: [N, heads, headSize]"""
    angles = positions.double()[:, None] * rope_frequencies(config)[None]
    cosine, sine = torch.cos(angles)[:, None], torch.sin(angles)[:, None]
    size = config["ropeSize"]
    turning, rest = x[..., :size], x[..., size:]
    if config["ropeLayout"] == "interleaved":
        a, b = turning[..., 0::2], turning[..., 1::2]
        turned = torch.stack([a * cosine - b * sine, a * sine + b * cosine], -1).flatten(-2)
    else:
        a, b = turning.chunk(2, -1)
        turned = torch.cat([a * cosine - b * sine, a * sine + b * cosine], -1)
    return torch.cat([turned, rest], -1)


def attention(query, own, left, sees, config):
    """query [N, heads, size]; own and left: K and V [N, kvHeads, size] that a row projects, and that it leaves behind.

    A row always sees its own projected K and V, and of earlier rows what they left: sees [N, N], strictly lower.
    """
    group = config["heads"] // config["kvHeads"]
    (own_key, own_value), (key, value) = ([x.repeat_interleave(group, 1) for x in pair] for pair in (own, left))
    scale = 1 / math.sqrt(config["headSize"])
    earlier = (torch.einsum("ihd,jhd->hij", query, key) * scale).masked_fill(~sees[None], float("-inf"))
    itself = (query * own_key).sum(-1).T[..., None] * scale
    weights = torch.softmax(torch.cat([earlier, itself], -1), -1)
    mixed = torch.einsum("hij,jhd->ihd", weights[..., :-1], value) + weights[..., -1].T[..., None] * own_value
    return mixed.flatten(1)


def held_shifts(config, parameters, case):
    """How far the thresholds of each segment move with the scores, so that the MACs that they save stay: [segments], all 0.

    The budget as a smooth function of scores and shift, F(scores, shift) = 0, solved by one step of Newton from its
    solution: exact, and so is its derivative.
    """
    segments, straight = len(case["segmentLengths"]), case["straightThrough"]
    free, seen = ~torch.as_tensor(case["plan"]["pinned"]).bool(), []
    free_case = case | {"straightThrough": {key: value for key, value in straight.items() if key != "savings"}}
    loss_of(config, parameters, free_case, lambda branch, scores, threshold: seen.append((branch, scores, threshold)))
    segment = torch.repeat_interleave(torch.arange(segments), torch.as_tensor(case["segmentLengths"]))

    def saved(shift):
        total = torch.zeros(segments, dtype=torch.float64)
        for branch, scores, threshold in seen:
            if threshold is not None:
                kept = keeps(scores - shift[segment], threshold, straight.get("temperature"))
                total = total.index_add(0, segment[free], -straight["savings"][branch] * kept[free])
        return total

    start = torch.zeros(segments, dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(saved(start).sum(), start)
    now = saved(torch.zeros_like(start))
    return -(now - now.detach()) / slope


def keeps(scores, threshold, temperature):
    return scores if temperature is None else torch.sigmoid((scores - threshold) / temperature)


def loss_of(config, parameters, case, observe=None):
    """Loss, its parts and kept rows [2L, N]; `observe(branch, scores, threshold)` sees the scores on the way."""
    p, plan, spec, lora = parameters, case["plan"], case["spec"], case["lora"]
    tokens, lengths = torch.as_tensor(case["tokens"]), case["segmentLengths"]
    count = len(tokens)
    segment = torch.repeat_interleave(torch.arange(len(lengths)), torch.as_tensor(lengths))
    positions = torch.cat([torch.arange(length) for length in lengths])
    pinned = torch.as_tensor(plan["pinned"]).bool()
    same = (segment[:, None] == segment[None]) & torch.tril(torch.ones(count, count, dtype=torch.bool), -1)
    epsilon = config["rmsNormEpsilon"]

    holds = case["straightThrough"] is not None and "savings" in case["straightThrough"]
    shift = held_shifts(config, parameters, case)[segment] if holds else 0

    def weight(name):
        w = p[name]
        if f"{name}.loraUp" in p:
            w = w + lora["alpha"] / lora["rank"] * p[f"{name}.loraUp"] @ p[f"{name}.loraDown"]
        return w

    def gate_of(branch, x):
        prefix = f"branches.{branch}." if spec["sharing"] == "separate" else ("shared.attention." if branch % 2 == 0 else "shared.mlp.")
        fields = {name[len(prefix) :]: tensor for name, tensor in p.items() if name.startswith(prefix)}
        return gate(spec["variant"], fields, x.detach() if case["detachGateInput"] else x)

    h = p["tokenEmbedding"][tokens]
    kept_rows, gates, below = [], {}, None
    asks = spec is not None and plan["scorer"] == "gate"
    for branch in range(2 * config["layers"]):
        layer, is_attention = branch // 2, branch % 2 == 0
        rule, value = plan["rules"][branch], plan["values"][branch]
        x = rms_norm(h, p[f"layers.{layer}.{'attentionNorm' if is_attention else 'mlpNorm'}"], epsilon)
        g = gate_of(branch, x) if asks and spec["position"] == "before" else None
        kept, threshold = decide(rule, value, g.mean(-1).detach().float() if g is not None else None, pinned)
        if observe is not None and g is not None:
            observe(branch, g.mean(-1), threshold)
        kept_rows.append(kept)

        if is_attention:
            own = [(x @ weight(f"layers.{layer}.{name}").T).view(count, -1, config["headSize"]) for name in ("key", "value")]
            own[0] = rotate(own[0], positions, config)
            left, present = own, torch.ones(count, dtype=torch.bool)
            if plan["kv"] == "absent":
                present = kept
            if plan["kv"] == "alias" and below is not None:
                left = [torch.where(kept[:, None, None], mine, theirs) for mine, theirs in zip(own, below, strict=True)]
            below = left
            query = rotate((x @ weight(f"layers.{layer}.query").T).view(count, config["heads"], -1), positions, config)
            f = attention(query, own, left, same & present[None], config) @ weight(f"layers.{layer}.attentionOutput").T
        else:
            inner = torch.nn.functional.silu(x @ weight(f"layers.{layer}.mlpGate").T) * (x @ weight(f"layers.{layer}.mlpUp").T)
            f = inner @ weight(f"layers.{layer}.mlpDown").T
        if asks and spec["position"] == "after":
            g = gate_of(branch, f)
        if g is not None:
            gates[branch] = g
        if asks and spec["multiplies"]:
            f = f * g
        s = p.get(f"branches.{branch}.standIn", torch.zeros_like(h[0])).expand_as(h)
        h = h + torch.where(kept[:, None], f, s)
        if case["straightThrough"] is not None and threshold is not None and asks:
            soft = keeps(g.mean(-1) - shift, threshold, case["straightThrough"].get("temperature"))
            soft = torch.where(pinned, soft.detach(), soft)
            h = h + ((soft - soft.detach())[:, None] * (f - s).detach())
    normed = rms_norm(h, p["outputNorm"], epsilon)
    logits = normed @ p["tokenEmbedding" if config["tiedEmbeddings"] else "output"].T
    return losses(logits, gates, case["loss"]), torch.stack(kept_rows)


def decide(rule, value, scores, pinned):
    """Kept rows, and the score at or below which rows skipped (None: no such score)."""
    if rule == "keep":
        return torch.ones_like(pinned), None
    if rule == "repeat":
        return (pinned if value == 0 else torch.ones_like(pinned)), None
    free = scores[~pinned].double()
    if rule == "threshold":
        threshold = value
        skipped = scores.double() <= value
    elif rule == "quantile":
        threshold = torch.quantile(free, value).float().double()
        skipped = scores.double() <= threshold
    else:
        amount = math.floor(value * len(free))
        threshold = torch.sort(free).values[amount - 1]
        skipped = scores.double() <= threshold
    margin = (free - threshold).abs()
    assert margin[margin > 0].min() > 1e-4, (rule, margin)
    assert rule == "fraction" or (margin > 0).all(), (rule, margin)
    return pinned | ~skipped, threshold


def losses(logits, gates, loss):
    log_q = torch.log_softmax(logits, -1)
    row_weights = torch.as_tensor(loss.get("rowWeights", [1.0] * len(logits)), dtype=torch.float64)
    parts = {}
    if "crossEntropy" in loss:
        targets = torch.as_tensor(loss["crossEntropy"]["targets"])
        counts = row_weights * (targets >= 0)
        nll = -log_q.gather(1, targets.clamp(min=0)[:, None])[:, 0]
        parts["crossEntropy"] = (counts * nll).sum() / (loss["crossEntropy"].get("divisor") or counts.sum())
    if "teacher" in loss:
        teacher = loss["teacher"]
        named = torch.as_tensor(teacher["tokens"])
        log_p = teacher["logProbabilities"]
        tail = teacher["tailMass"]
        value = (log_p.exp() * (log_p - log_q.gather(1, named))).sum(-1)
        outside = torch.ones_like(logits, dtype=torch.bool).scatter(1, named, False)
        log_r = torch.logsumexp(log_q.masked_fill(~outside, float("-inf")), -1)
        value = value + torch.where(tail > 0, tail * (tail.clamp(min=1e-300).log() - log_r), torch.zeros_like(tail))
        parts["teacher"] = (row_weights * value).sum() / (teacher.get("divisor") or row_weights.sum())
    if "gates" in loss:
        kind, rows = loss["gates"]["kind"], torch.as_tensor(loss["gates"]["rows"]).bool()
        means = []
        for output in gates.values():
            g = output[rows]
            if kind == "l2":
                means.append((g * g).mean())
            elif kind == "l1":
                means.append(g.abs().mean())
            else:
                rho, m = loss["gates"]["density"], g.mean()
                means.append(rho * (rho / m).log() + (1 - rho) * ((1 - rho) / (1 - m)).log())
        parts["gates"] = torch.stack(means).mean()
    total = sum(loss[name]["weight"] * part for name, part in parts.items())
    return total, parts
