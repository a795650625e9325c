"""What a supernet's step costs beside the sub-network's own, and evaluation beside extraction.

    python tests/measured/supernet_step.py [--width 8] [--cells 1] [--size 8] [--device cpu]

Prints, per space, the median over drawn architectures of supernet step / own step, the same batch,
the same optimiser, one after the other in one process.
"""

import argparse
import json
import time

import numpy as np
import torch
from torch.nn import functional

from nasurge.benchmarks.supernet import Supernet, uniform_codes
from nasurge.data.spaces import make_space


def seconds(run, device, repeats):
    """Return the least time of some runs."""
    found = []
    for _ in range(repeats):
        start = time.perf_counter()
        run()
        if device.startswith("cuda"):
            torch.cuda.synchronize()
        found.append(time.perf_counter() - start)
    return min(found)


def stepper(network, forward, x, y):
    """Return a function that takes one step of SGD."""
    optimiser = torch.optim.SGD(network.parameters(), 0.01, momentum=0.9, nesterov=True)
    network.train()

    def step():
        optimiser.zero_grad()
        functional.cross_entropy(forward(x), y).backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 5.0)
        optimiser.step()

    return step


def ratios(space, arguments):
    """Return step time of the supernet over the network's own, for drawn architectures."""
    device = arguments.device
    supernet = Supernet(space, classes=10, width=arguments.width, cells=arguments.cells, seed=0).to(
        device
    )
    x = torch.randn(64, 3, arguments.size, arguments.size, device=device)
    y = torch.randint(10, (64,), device=device)
    found = []
    for code in uniform_codes(space, arguments.architectures, np.random.default_rng(0)):
        own = supernet.extract(code)
        plain = stepper(own, own, x, y)
        shared = stepper(supernet, lambda x, code=code: supernet(x, code), x, y)
        plain(), shared()
        times = [
            (seconds(shared, device, arguments.repeats), seconds(plain, device, arguments.repeats))
            for _ in range(2)
        ]
        found.append(min(t[0] for t in times) / min(t[1] for t in times))
    return found


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    for name, default in {"width": 8, "cells": 1, "size": 8}.items():
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--architectures", type=int, default=12)
    parser.add_argument("--repeats", type=int, default=6)
    parser.add_argument("--device", default="cpu")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    for name in ("nb201", "mobile"):
        found = ratios(make_space(name), arguments)
        low, middle, high = np.quantile(found, [0, 0.5, 1])
        print(json.dumps({"space": name, "median": middle, "least": low, "most": high}))
