"""Dead parameters: conditional against padded coding of the same architectures, same labels.

Run as ``python tests/measured/dead_parameters.py taus`` (the modules of TransNAS-Bench-101's macro
space, published, and a synthetic space of three stages), ``... duplicates`` (how many evaluations
of a search a padded coding wastes; synthetic) or ``... numbers`` (ordered variables as numbers
against their values alone; needs Accel-NASBench in the folder ``NASURGE_DATA``).

Padded is what general optimisers do: every variable always has a value, and of a removed layer it
is drawn at random (``padded``) or always the first (``default``); each is a column like any other.
"""

from __future__ import annotations

import argparse
import json
import os
import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from joblib import Parallel, delayed

import nasurge
from nasurge import Space, choice, repeat
from nasurge.benchmarks.metrics import kendall_tau
from nasurge.search import run

MODULES = ("plain", "double", "halve", "double-halve")
METRICS = ("macs", "params", "val_top1", "train_time")
_MOST_TESTED = 1000

Problem = tuple[dict[str, tuple[Space, np.ndarray]], np.ndarray]
"""Each coding's space and codes, and the labels."""


def flattened(space: Space) -> Space:
    """The same variables without conditions."""
    spec = space.spec()["variables"]
    free = {n: {k: v for k, v in told.items() if k != "active"} for n, told in spec.items()}
    return Space(free, name=f"{space.name}-padded")


def codings(space: Space, codes: np.ndarray, y: np.ndarray) -> Problem:
    """Conditional, padded at random and padded with the first value."""
    rng, flat = np.random.default_rng(0), flattened(space)
    noise = rng.integers(0, space.cardinalities, codes.shape).astype(codes.dtype)
    padded = np.where(space.active(codes), codes, noise)
    return {"conditional": (space, codes), "padded": (flat, padded), "default": (flat, codes)}, y


def macro(task: str) -> Problem:
    """Four to six modules of TransNAS-Bench-101's macro space, as a described space."""
    table = nasurge.load_table("transnas-macro")
    space = Space(
        {"modules": [4, 5, 6], "module{1..6}": choice(*MODULES, active="modules >= {i}")},
        name="macro",
    )
    depth = (table.codes > 0).sum(axis=1, keepdims=True) - 4
    codes = space.check(np.concatenate([depth, np.maximum(table.codes - 1, 0)], axis=1))
    y = np.asarray(table.data[table.default(task).report], dtype=float)
    kept = np.isfinite(y)
    return codings(space, codes[kept], y[kept])


def stages() -> Space:
    """Three stages of two to four layers."""
    layer = {"kernel": [3, 5, 7], "expand": [3, 4, 6], "gate": ["se", "none"]}
    made = {f"stage{k}": repeat(1, 2, 3, 4, of=layer) for k in (1, 2, 3)}
    return Space(made, name="stages")


def synthetic(space: Space, codes: np.ndarray) -> np.ndarray:
    """Synthetic accuracy: each layer adds less than the one before, more with kernel and gate."""
    active, total = space.active(codes), np.zeros(len(codes))
    for stage, weight in ((1, 0.7), (2, 1.0), (3, 1.4)):
        for i in range(1, 5):
            at = {f: space.variables.index(f"stage{stage}_{f}_{i}") for f in ("kernel", "expand")}
            gate = space.variables.index(f"stage{stage}_gate_{i}")
            worth = 1 + 0.3 * codes[:, at["kernel"]] * (stage > 1) + 0.5 * codes[:, at["expand"]]
            worth = worth + 0.6 * (codes[:, gate] == 0)
            total += weight * worth * active[:, gate] / i
    rough = np.sin(7.3 * codes.astype(float) @ np.arange(1, codes.shape[1] + 1))
    return np.log1p(total) + 0.03 * rough


def tau(name: str, space: Space, codes: np.ndarray, y: np.ndarray, n: int, draw: int) -> float:
    """Kendall tau on up to 1,000 architectures that were not among the ``n`` labelled."""
    order = np.random.default_rng(draw).permutation(len(y))
    learnt, tested = order[:n], order[n : n + _MOST_TESTED]
    predictor = nasurge.make_predictor(name, space, seed=draw).fit(codes[learnt], y[learnt])
    return float(kendall_tau(y[tested], predictor.predict(codes[tested])))


def shown(values: np.ndarray) -> str:
    """Mean and half of its 95 % interval over draws."""
    from scipy.stats import t

    half = t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values))
    return f"{values.mean():.3f} ± {half:.3f}"


def compare(problems: dict[str, Callable[[], Problem]], given: argparse.Namespace) -> None:
    """Print a row per problem, predictor and size: the first coding, and it less each other."""
    for problem, make in problems.items():
        ways, y = make()
        for name in given.predictors.split(","):
            for n in map(int, given.n.split(",")):
                jobs = [(w, d) for w in ways for d in range(given.draws)]
                found = Parallel(n_jobs=given.jobs)(
                    delayed(tau)(name, *ways[way], y, n, draw) for way, draw in jobs
                )
                taus = np.array(found).reshape(len(ways), given.draws)
                gains = [shown(taus[0] - other) for other in taus[1:]]
                cells = [problem, f"`{name}`", str(n), shown(taus[0]), *gains]
                print("| " + " | ".join(cells) + " |", flush=True)


def duplicates(given: argparse.Namespace) -> None:
    """Print how many of 100 evaluations repeat a function, and the best found, for each search."""
    space, flat = stages(), flattened(stages())
    for name in given.searchers.split(","):
        rows: dict[str, list[tuple[int, float]]] = {}
        for draw in range(given.draws):
            for way, used in (("conditional", space), ("padded", flat)):
                searcher = nasurge.make_searcher(name, used, seed=draw)
                trace = run(
                    searcher, lambda c: synthetic(space, space.check(c)), budget=100, batch=5
                )
                twice = 100 - len(np.unique(space.keys(trace.codes)))
                rows.setdefault(way, []).append((twice, float(np.max(trace.values))))
        both = [np.array(found) for found in rows.values()]
        cells = [f"`{name}`", *(f"{found[:, 0].mean():.1f}" for found in both)]
        cells += [f"{both[0][:, 1].mean():.3f}", shown(both[0][:, 1] - both[1][:, 1])]
        print("| " + " | ".join(cells) + " |", flush=True)


def accel(metric: str) -> Problem:
    """Accel-NASBench: seven blocks of expansion, kernel, layers and squeeze-excitation."""
    path = Path(os.environ["NASURGE_DATA"]) / "benchmarks" / "accel_nasbench.tar.gz"
    with tarfile.open(path) as archive:
        files = (archive.extractfile(member) for member in archive if member.isfile())
        rows = [json.load(file) for file in files if file is not None]
    fields = {"e": (1, 4, 6), "k": (3, 5), "l": (1, 2, 3, 4), "se": (True, False)}
    kinds = {f: "choice" if f == "se" else "ordered" for f in fields}
    given, plain = (
        {
            f"block{b}_{f}": {kinds[f] if numbers else "choice": values, "field": f}
            for b in range(7)
            for f, values in fields.items()
        }
        for numbers in (True, False)
    )
    y = [{**row["metrics"], **row["model_info"]}[metric] for row in rows]
    found = {}
    for way, variables in (("numbers", given), ("values alone", plain)):
        space = Space(variables, name="accel")
        found[way] = space, space.parse([row["architecture"] for row in rows])
    return found, np.array(y, dtype=float)


def main() -> None:
    """Print one table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("taus", "duplicates", "numbers"))
    parser.add_argument("-p", "--predictors", default="gp,xgb,auto,gin")
    parser.add_argument("-s", "--searchers", default="random,evolution,bo,prednas")
    parser.add_argument("-n", default="20,50,100")
    parser.add_argument("--draws", type=int, default=10)
    parser.add_argument("--problems", help="some of the problems, joined by commas")
    parser.add_argument("--jobs", type=int, default=1)
    given = parser.parse_args()
    if given.what == "duplicates":
        duplicates(given)
        return
    problems: dict[str, Callable[[], Problem]] = {}
    if given.what == "taus":
        for task in ("class_scene", "class_object", "room_layout", "segmentsemantic"):
            problems[task] = lambda task=task: macro(task)
        space = stages()
        codes = np.unique(space.sample(3000, seed=0), axis=0)
        problems["synthetic stages"] = lambda: codings(space, codes, synthetic(space, codes))
    else:
        for metric in METRICS:
            problems[metric] = lambda metric=metric: accel(metric)
    chosen = given.problems.split(",") if given.problems else list(problems)
    compare({name: problems[name] for name in chosen}, given)


if __name__ == "__main__":
    main()
