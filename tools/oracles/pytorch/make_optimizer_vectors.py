"""Writes packages/train/test/fixtures/pytorch-optimizer.json: AdamW updates, clipped gradients and schedules of PyTorch.

    python tools/oracles/pytorch/make_optimizer_vectors.py packages/train/test/fixtures/pytorch-optimizer.json
"""

import json
import sys

import torch

torch.manual_seed(20261122)
STEPS = 12


def f32(tensor):
    return tensor.float().double()


def adam_w(name, beta1, beta2, epsilon, decay, max_norm, rates):
    """In float64 from float32 starts and gradients: what is left between the two sides is rounding of storage."""
    shapes = {"a": 7, "b": 5}
    values = {key: f32(torch.randn(size, dtype=torch.float64)) for key, size in shapes.items()}
    start = {key: value.tolist() for key, value in values.items()}
    parameters = {key: value.clone().requires_grad_(True) for key, value in values.items()}
    optimizer = torch.optim.AdamW(list(parameters.values()), lr=1.0, betas=(beta1, beta2), eps=epsilon, weight_decay=decay)
    steps = []
    for step in range(STEPS):
        for key, parameter in parameters.items():
            # Sizes over several orders, and a parameter whose gradient is zero for a while.
            scale = 0.0 if key == "b" and step < 3 else 10.0 ** (step % 4 - 2)
            parameter.grad = f32(torch.randn(shapes[key], dtype=torch.float64) * scale)
        gradients = {key: parameter.grad.tolist() for key, parameter in parameters.items()}
        norm = None if max_norm is None else torch.nn.utils.clip_grad_norm_(parameters.values(), max_norm).item()
        for group in optimizer.param_groups:
            group["lr"] = rates[step]
        optimizer.step()
        steps.append({"gradients": gradients, "norm": norm, "rate": rates[step], "values": {key: p.tolist() for key, p in parameters.items()}})
    options = {"beta1": beta1, "beta2": beta2, "epsilon": epsilon, "weightDecay": decay}
    return {"name": name, "options": options, "maxNorm": max_norm, "start": start, "steps": steps}


def schedule(shape, peak, warmup, total, floor):
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=peak)
    after = total - warmup
    late = {
        "constant": lambda: torch.optim.lr_scheduler.ConstantLR(optimizer, factor=1.0, total_iters=1),
        "linear": lambda: torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, floor, total_iters=after),
        "cosine": lambda: torch.optim.lr_scheduler.LambdaLR(
            optimizer, lambda step: floor + (1 - floor) * torch.optim.lr_scheduler.math.cos(0.5 * torch.pi * min(1, step / after)) ** 2
        ),
    }
    if warmup > 1:
        early = torch.optim.lr_scheduler.LinearLR(optimizer, 1 / warmup, 1.0, total_iters=warmup - 1)
        scheduler = torch.optim.lr_scheduler.SequentialLR(optimizer, [early, late[shape]()], milestones=[warmup])
    else:
        scheduler = late[shape]()
    rates = []
    for _ in range(total + 2):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    description = {"shape": shape, "peak": peak, "warmupSteps": warmup, "totalSteps": total, "floor": floor}
    return {"schedule": description, "rates": rates}


def main(path):
    rising = [1e-3 * (step + 1) for step in range(STEPS)]
    fixture = {
        "adamW": [
            adam_w("published betas", 0.9, 0.95, 1e-8, 0.001, None, [3e-3] * STEPS),
            adam_w("clipped, with decay and a moving rate", 0.9, 0.999, 1e-8, 0.1, 0.5, rising),
            adam_w("without memory of squares", 0.0, 0.5, 1e-3, 0.0, 100.0, [0.05] * STEPS),
        ],
        "schedules": [
            schedule("constant", 0.2, 4, 10, 0.0),
            schedule("linear", 1e-4, 5, 20, 0.1),
            schedule("cosine", 3e-6, 6, 18, 0.0),
            schedule("cosine", 1e-3, 0, 9, 0.25),
        ],
    }
    with open(path, "w") as file:
        json.dump(fixture, file, separators=(",", ":"))
        file.write("\n")


main(sys.argv[1])
