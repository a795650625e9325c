"""Predictors that see the flow of data in a model beside the same that see its variables alone.

    python tests/measured/module_graphs.py --architectures 90

Trains architectures of a small model of images with wired inputs on the digits, and fits predictors
to 10, 20 and 50 of them: on the space of the model, and on a described space of the same variables
without a graph.
"""

from __future__ import annotations

import argparse

import numpy as np
import torch
from torch import nn
from torch.nn import functional

import nasurge
from nasurge.benchmarks.metrics import kendall_tau
from nasurge.benchmarks.training import train_architectures
from nasurge.data.images import load_images
from nasurge.nn import Choice, Conv2d, Elastic, Inputs, Repeat, space_of


def _block(width: int, kernel: int) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(width, width, kernel, padding=kernel // 2, bias=False),
        nn.BatchNorm2d(width),
        nn.ReLU(),
    )


class Wired(nn.Module):
    """Three operations whose inputs are chosen, and a chain of elastic depth and kernel."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(1, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8))
        self.inputs = nn.ModuleList([Inputs(k, choose=(1, 2)) for k in (2, 3)])
        self.operations = nn.ModuleList(
            [
                Choice(
                    {
                        "skip": nn.Identity(),
                        "1x1": _block(8, 1),
                        "3x3": _block(8, 3),
                        "pool": nn.AvgPool2d(3, 1, 1),
                    }
                )
                for _ in range(3)
            ]
        )
        self.stage = Repeat(
            lambda _: nn.Sequential(Conv2d(8, 8, Elastic(1, 3, 5)), nn.BatchNorm2d(8), nn.ReLU()),
            times=(0, 1, 2),
        )
        self.head = nn.Linear(8 * 4, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Logits, shape (n, 10)."""
        outputs = [self.stem(x)]
        outputs.append(self.operations[0](outputs[0]))
        for inputs, operation in zip(self.inputs, self.operations[1:], strict=True):
            outputs.append(operation(inputs(outputs)))
        x = self.stage(outputs[-1])
        return self.head(functional.adaptive_avg_pool2d(x, 2).flatten(1))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--architectures", type=int, default=90)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--trials", type=int, default=10)
    parser.add_argument("--predictors", default="gin,gp-soft,gp,xgb,auto")
    options = parser.parse_args()
    torch.set_num_threads(1)
    images = load_images("digits", limit=1000)
    traced = space_of(Wired, example=torch.zeros(2, 1, 8, 8))
    spec = {key: value for key, value in traced.spec().items() if key != "graph"}
    alone = nasurge.make_space(spec)
    codes = traced.sample(options.architectures, seed=0, unique=True)
    results = train_architectures(
        traced, codes, images, seed=0, device="cpu", epochs=options.epochs
    )
    y = np.array([result.valid_accuracy for result in results])
    print(f"{len(y)} trainings, accuracy {y.min():.1f} to {y.max():.1f}, median {np.median(y):.1f}")
    print("| predictor | labels | with the flow | variables alone | difference |")
    for name in options.predictors.split(","):
        for n in (10, 20, 50):
            taus = []
            for trial in range(options.trials):
                order = np.random.default_rng(trial).permutation(len(y))
                train, test = order[:n], order[n:]
                taus.append(
                    [
                        kendall_tau(
                            y[test],
                            nasurge.make_predictor(name, space, seed=trial)
                            .fit(codes[train], y[train])
                            .predict(codes[test]),
                        )
                        for space in (traced, alone)
                    ]
                )
            mean, gain = np.mean(taus, axis=0), np.diff(taus, axis=1)[:, 0] * -1
            half = 2.26 * gain.std(ddof=1) / np.sqrt(len(gain))
            print(
                f"| `{name}` | {n} | {mean[0]:.3f} | {mean[1]:.3f} | "
                f"{gain.mean():+.3f} [{gain.mean() - half:+.3f}, {gain.mean() + half:+.3f}] |",
                flush=True,
            )


if __name__ == "__main__":
    main()
