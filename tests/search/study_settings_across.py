"""The studies across tasks and devices at their smallest size, for the contract of all kinds."""

from __future__ import annotations

from collections.abc import Sequence

SETTINGS: dict[str, Sequence[str]] = {
    "transfer": (
        *("meta", "transfer", "nbgraph/cora", "--to", "nbgraph/citeseer", "-n", "0,5", "-t", "3"),
        *("--source-labels", "15", "--methods", "tasks-xgb,tasks-gp"),
    ),
    # So short a time is one meta-step each, whatever the machine's speed.
    "few-shot": (
        *("meta", "few-shot", "--images", "digits", "--train-classes", "5", "--way", "2"),
        *("--split", "classes", "--no-rotations", "--seconds", "1e-9", "--episodes", "5"),
        *("--shots", "1,2", "--methods", "protonet,maml"),
    ),
    "warm-start": (
        *("meta", "warm-start", "--tasks", "digits,glyphs#HEBREW,glyphs#LAO", "--seeds", "1"),
        *("--epochs", "3", "--gate", "1", "--size", "8", "--train", "40", "--width", "2"),
        *("--train-epochs", "1", "--shared", "3"),
    ),
}
"""The command of each kind; at least three units."""
