"""A gated Llama forward pass in float64 PyTorch, written from the definitions and sharing nothing with the TypeScript.

One sequence, no cache: everything is a matrix over all T tokens, and what skipped tokens leave behind is a mask.
"""

import math

import torch


def rms_norm(x, weight, epsilon):
    return x / torch.sqrt((x * x).mean(-1, keepdim=True) + epsilon) * weight


def rope_frequencies(config):
    size = config["ropeSize"]
    frequencies = config["ropeTheta"] ** (-torch.arange(0, size, 2, dtype=torch.float64) / size)
    scaling = config.get("ropeScaling")
    if scaling is None:
        return frequencies
    slow = frequencies / scaling["factor"]
    if scaling["kind"] == "linear":
        return slow
    wavelengths = 2 * math.pi / frequencies
    context = scaling["originalContextLength"]
    low, high = scaling["lowFrequencyFactor"], scaling["highFrequencyFactor"]
    smooth = (context / wavelengths - low) / (high - low)
    blended = (1 - smooth) * slow + smooth * frequencies
    kept = torch.where(wavelengths < context / high, frequencies, blended)
    return torch.where(wavelengths > context / low, slow, kept)


def rotate(x, config):
    """x: [T, heads, headSize]"""
    angles = torch.arange(x.shape[0], dtype=torch.float64)[:, None] * rope_frequencies(config)[None]
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


def gate(variant, parameters, x):
    """[T, d] -> [T, d], or [T, 1] for scalar gates."""
    p = parameters
    if variant == "low-rank":
        return torch.sigmoid((x @ p["down"].T) @ p["weight"].T + p["bias"])
    if variant == "mlp":
        return torch.sigmoid(torch.nn.functional.silu(x @ p["down"].T + p["downBias"]) @ p["weight"].T + p["bias"])
    output = torch.sigmoid(x @ p["weight"].T + p["bias"])
    if variant == "hybrid":
        output = output * torch.sigmoid(x @ p["scalarWeight"][:, None] + p["scalarBias"])
    return output


def attention_scores_to_values(query, key, value, present, config):
    """query [T, heads, size], key and value [T, kvHeads, size], present [T]: tokens without K and V are not seen."""
    group = config["heads"] // config["kvHeads"]
    key, value = key.repeat_interleave(group, 1), value.repeat_interleave(group, 1)
    weights = torch.einsum("ihd,jhd->hij", query, key) / math.sqrt(config["headSize"])
    tokens = query.shape[0]
    visible = torch.tril(torch.ones(tokens, tokens, dtype=torch.bool)) & present[None]
    weights = weights.masked_fill(~visible[None], float("-inf"))
    # A skipped token may see nothing at all; its output is not used.
    weights = torch.nan_to_num(torch.softmax(weights, -1), nan=0.0)
    return torch.einsum("hij,jhd->ihd", weights, value).flatten(1)


def forward(config, weights, tokens, plan=None, adapter=None, choose=None):
    """Logits [T, vocabulary] and kept rows [2L, T].

    plan: scorer, rules, values, kv, standIns, pinned (number of first tokens).
    choose(branch, rule, scores of unpinned tokens) -> value: fills plan["values"] on the way.
    """
    tokens = torch.as_tensor(tokens)
    count, heads = len(tokens), config["heads"]
    epsilon = config["rmsNormEpsilon"]
    h = weights["tokenEmbedding"][tokens]
    kept_rows, below = [], None
    gated = plan is not None and plan["scorer"] == "gate"
    for branch in range(2 * config["layers"]):
        layer, is_attention = branch // 2, branch % 2 == 0
        part = lambda name: weights[f"layers.{layer}.{name}"]
        norm = part("attentionNorm" if is_attention else "mlpNorm")
        normed = rms_norm(h, norm, epsilon)
        spec = adapter["spec"] if adapter else None
        before = gate(spec["variant"], adapter["gates"][branch], normed) if gated and spec["position"] == "before" else None

        kept = torch.ones(count, dtype=torch.bool)
        times = 1
        if plan is not None:
            kept, times = decide(plan, branch, before.mean(-1) if before is not None else None, count, choose)
        kept_rows.append(kept)

        if is_attention:
            key = rotate((normed @ part("key").T).view(count, -1, config["headSize"]), config)
            value = (normed @ part("value").T).view(count, -1, config["headSize"])
            present = torch.ones(count, dtype=torch.bool)
            if plan is not None and plan["kv"] == "absent":
                present = kept
            if plan is not None and plan["kv"] == "alias" and below is not None:
                key = torch.where(kept[:, None, None], key, below[0])
                value = torch.where(kept[:, None, None], value, below[1])
            below = (key, value)

        for run in range(times):
            x = normed if run == 0 else rms_norm(h, norm, epsilon)
            if is_attention:
                query = rotate((x @ part("query").T).view(count, heads, -1), config)
                output = attention_scores_to_values(query, key, value, present, config) @ part("attentionOutput").T
            else:
                output = (torch.nn.functional.silu(x @ part("mlpGate").T) * (x @ part("mlpUp").T)) @ part("mlpDown").T
            if gated and spec["multiplies"]:
                output = output * gate(spec["variant"], adapter["gates"][branch], output if spec["position"] == "after" else x)
            h = h + torch.where(kept[:, None], output, torch.zeros_like(output))
        if adapter and adapter.get("standIns") is not None and plan is not None and plan.get("standIns", True):
            h = h + torch.where(kept[:, None], torch.zeros_like(h), adapter["standIns"][branch][None])
    normed = rms_norm(h, weights["outputNorm"], epsilon)
    return normed @ weights.get("output", weights["tokenEmbedding"]).T, torch.stack(kept_rows)


def decide(plan, branch, scores, count, choose):
    """Kept tokens [T] of one branch and how often they run it."""
    rule = plan["rules"][branch]
    pinned = torch.arange(count) < plan["pinned"]
    if rule == "keep":
        return torch.ones(count, dtype=torch.bool), 1
    if rule == "repeat":
        value = int(plan["values"][branch])
        return (pinned, 1) if value == 0 else (torch.ones(count, dtype=torch.bool), value)
    free = scores[~pinned]
    if choose is not None:
        plan["values"][branch] = choose(branch, rule, free)
    value = plan["values"][branch]
    if rule == "threshold":
        return pinned | (scores > value), 1
    if rule == "quantile":
        return pinned | (scores > torch.quantile(free, value)), 1
    if rule == "fraction":
        order = torch.argsort(scores.masked_fill(pinned, math.inf), stable=True)
        skipped = torch.zeros(count, dtype=torch.bool)
        skipped[order[: math.floor(value * len(free))]] = True
        return ~skipped, 1
    raise ValueError(rule)
