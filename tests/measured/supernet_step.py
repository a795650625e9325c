"""What a supernet's step costs beside the sub-network's own, and evaluation beside extraction.

    python tests/measured/supernet_step.py [--width 8] [--cells 1] [--size 8] [--device cpu]
    python tests/measured/supernet_step.py --models

With ``--models`` of the example models that give logits, elastic ones among them, instead of cells.
Prints, per space, the median over drawn architectures of supernet step / own step, the same batch,
the same optimiser, one after the other in one process.
"""

import argparse
import json
import time

import numpy as np
import torch
from torch.nn import functional

from nasurge.benchmarks.supernet import make_supernet, uniform_codes
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


def ratios(supernet, codes, x, y, *, repeats):
    """Return step time of the supernet over the network's own, for some architectures."""
    device = str(x.device)
    found = []
    for code in codes:
        own = supernet.extract(code)
        plain = stepper(own, own, x, y)
        shared = stepper(supernet, lambda x, code=code: supernet(x, code), x, y)
        plain(), shared()
        times = [(seconds(shared, device, repeats), seconds(plain, device, repeats)) for _ in "12"]
        found.append(min(t[0] for t in times) / min(t[1] for t in times))
    return found


def inputs(shape, device):
    """Return a batch of noise and labels."""
    return torch.randn(64, *shape, device=device), torch.randint(5, (64,), device=device)


def main(arguments):
    """Print what a step costs in each space."""
    device = arguments.device
    if arguments.models:
        from latency_repeat import SHAPES, space_named

        logits = [name for name in SHAPES if name != "u_net:UNet"]
        spaces = {name: (space_named(name), SHAPES[name]) for name in logits}
    else:
        shape = (3, arguments.size, arguments.size)
        spaces = {name: (make_space(name), shape) for name in ("nb201", "mobile")}
    for space, shape in spaces.values():
        cells = {"width": arguments.width, "cells": arguments.cells}
        classes = 10 if space.model is None else space.classes
        supernet = make_supernet(space, classes=classes, in_channels=shape[0], seed=0, **cells)
        codes = uniform_codes(space, arguments.architectures, np.random.default_rng(0))
        found = ratios(
            supernet.to(device), codes, *inputs(shape, device), repeats=arguments.repeats
        )
        low, middle, high = np.quantile(found, [0, 0.5, 1])
        print(json.dumps({"space": space.name, "median": middle, "least": low, "most": high}))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    for name, default in {"width": 8, "cells": 1, "size": 8}.items():
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--architectures", type=int, default=12)
    parser.add_argument("--repeats", type=int, default=6)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--models", action="store_true")
    torch.set_num_threads(1)
    main(parser.parse_args())
