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
from nasurge.benchmarks import measure_latencies, measure_latency
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


SHAPES = {
    "convolutions": (3, 32, 32),
    "u_net:UNet": (3, 32, 32),
    "vision_transformer:VisionTransformer": (1, 8, 8),
    "signals:SignalNet": (3, 512),
}
WAYS = ("steady, in turns", "steady, one by one", "median, one by one", "fastest, one by one")


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
    print(f"| model | milliseconds | ms | two runs | FLOPs | {' | '.join(names)} |")
    print("| --- " * (5 + len(names)) + "|")
    for model in given.models.split(","):
        space = space_named(model)
        codes = space.sample(given.architectures, seed=0, unique=True)
        networks = [space.network(code) for code in codes]
        example = torch.rand(1, *SHAPES[model])
        both = np.array([measured(networks, example, given) for _ in range(2)])
        flops = space.costs(codes)["flops"]
        for kind, runs in zip(WAYS, np.moveaxis(both, 1, 0), strict=True):
            cells = [kind, f"{runs.min():.2f} to {runs.max():.2f}"]
            cells += [f"{spearmanr(*pair).statistic:.3f}" for pair in (runs, (flops, runs[0]))]
            for name in names:
                reached = [
                    learnt(space, codes, runs[0], name, given.learnt, trial)
                    for trial in range(given.trials)
                ]
                cells.append(f"{np.mean(reached):.3f} ({min(reached):.3f})")
            print(f"| {model} | {' | '.join(cells)} |", flush=True)


def measured(
    networks: list[nn.Module], example: torch.Tensor, given: argparse.Namespace
) -> list[list[float]]:
    """Milliseconds of each network, in every way."""
    settings = {"repeats": given.repeats, "device": given.device}
    turns = measure_latencies(networks, example, **settings)
    alone = [None] * len(networks)
    for k in np.random.default_rng().permutation(len(networks)):
        alone[k] = measure_latency(networks[k], example, **settings)
    return [
        [latency.steady for latency in turns],
        [latency.steady for latency in alone],
        [latency.median for latency in alone],
        [latency.fastest for latency in alone],
    ]


def learnt(
    space: Space, codes: np.ndarray, latencies: np.ndarray, name: str, count: int, trial: int
) -> float:
    """Spearman correlation over the rest, of what a predictor learnt from some."""
    order = np.random.default_rng(trial).permutation(len(codes))
    known, rest = order[:count], order[count:]
    predictor = nasurge.make_predictor(name, space, seed=trial)
    predicted = predictor.fit(codes[known], np.log(latencies[known])).predict(codes[rest])
    return float(spearmanr(predicted, latencies[rest]).statistic)


if __name__ == "__main__":
    main()
