"""How far two measurements of latency agree, and how well 50 of them say the rest.

Run as ``python tests/measured/latency_repeat.py`` on a machine without other work. Prints Markdown.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
from pathlib import Path

import numpy as np
import torch
from scipy.stats import spearmanr
from torch import nn

import nasurge
from nasurge.benchmarks import measure_latency
from nasurge.data.spaces import Space
from nasurge.nn import Choice, space_of

EXAMPLES = Path(__file__).resolve().parents[2] / "docs" / "example_models"


class Bottleneck(nn.Module):
    """Inverted bottleneck of MobileNet, added to what came in."""

    def __init__(self, width: int, expansion: int) -> None:
        super().__init__()
        inner = width * expansion
        self.layers = nn.Sequential(
            nn.Conv2d(width, inner, 1, bias=False),
            nn.BatchNorm2d(inner),
            nn.ReLU(),
            nn.Conv2d(inner, inner, 3, padding=1, groups=inner, bias=False),
            nn.BatchNorm2d(inner),
            nn.ReLU(),
            nn.Conv2d(inner, width, 1, bias=False),
            nn.BatchNorm2d(width),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.layers(x)


class Convolutions(nn.Module):
    """Eight places of nothing or a bottleneck of two sizes, on 32 x 32 images."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 16, 3, padding=1)
        self.blocks = nn.Sequential(
            *(
                Choice(skip=nn.Identity(), mb3=Bottleneck(16, 3), mb6=Bottleneck(16, 6))
                for _ in range(8)
            )
        )
        self.head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 10))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.blocks(self.stem(x)))


SHAPES = {"convolutions": (3, 32, 32), "u_net:UNet": (3, 32, 32), "signals:SignalNet": (3, 512)}


def space_named(name: str) -> Space:
    """Space of a model, by the name of this script's options."""
    file, _, cls = name.partition(":")
    maker = Convolutions
    if cls:
        spec = importlib.util.spec_from_file_location(file, EXAMPLES / f"{file}.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        maker = getattr(module, cls)
    return space_of(maker, example=torch.zeros(2, *SHAPES[name]))


def main() -> None:
    """Measure every model twice and learn from draws of 50."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", default=",".join(SHAPES))
    parser.add_argument("--architectures", type=int, default=200)
    parser.add_argument("--learnt", type=int, default=50)
    parser.add_argument("--trials", type=int, default=5)
    parser.add_argument("--repeats", type=int, default=50)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--predictors", default="auto,gp,ridge,xgb")
    given = parser.parse_args()
    names = given.predictors.split(",")
    print(f"load {os.getloadavg()[0]:.1f}, {os.cpu_count()} cores, torch {torch.__version__}")
    print(f"| model | ms | two runs | FLOPs | {' | '.join(names)} |")
    print("| --- " * (4 + len(names)) + "|")
    for model in given.models.split(","):
        space = space_named(model)
        codes = space.sample(given.architectures, seed=0, unique=True)
        networks = [space.network(code) for code in codes]
        example = torch.rand(1, *SHAPES[model])
        runs = np.empty((2, len(codes)))
        for run in runs:
            for k in np.random.default_rng().permutation(len(codes)):
                network = networks[k]
                run[k] = measure_latency(
                    network, example, repeats=given.repeats, device=given.device
                ).median
        agree = spearmanr(*runs).statistic
        flops = spearmanr(space.costs(codes)["flops"], runs[0]).statistic
        cells = [f"{runs.min():.2f} to {runs.max():.2f}", f"{agree:.3f}", f"{flops:.3f}"]
        for name in names:
            found = []
            for trial in range(given.trials):
                order = np.random.default_rng(trial).permutation(len(codes))
                known, rest = order[: given.learnt], order[given.learnt :]
                predictor = nasurge.make_predictor(name, space, seed=trial)
                predictor.fit(codes[known], np.log(runs[0, known]))
                predicted = predictor.predict(codes[rest])
                found.append(spearmanr(predicted, runs[0, rest]).statistic)
            cells.append(f"{np.mean(found):.3f} ({min(found):.3f})")
        print(f"| {model} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
