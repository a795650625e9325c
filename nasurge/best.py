"""From a trained supernet to the best sub-network, trained by itself."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch
from torch import nn

from .benchmarks.studies import fingerprint, jsonable
from .benchmarks.supernet import SharedWeights, SubnetworkOptions
from .benchmarks.training import Recipe, network_for, read_recipe, train_network, weights_digest
from .data.devices import resolve_device
from .data.files import atomic_write
from .data.networks import COSTS, has_network_costs, network_costs
from .data.seeds import torch_seed
from .errors import LabelError, ParameterError
from .functions.trained import costs_of
from .search.loop import Trace
from .searching import search

if TYPE_CHECKING:
    from .benchmarks.studies import Row
    from .data.images import Images
    from .data.spaces import Codes

ACCURACY = "accuracy"


@dataclass(frozen=True)
class _Trained:
    """Row of a training, and the network that it left."""

    row: Row
    network: nn.Module


def best_subnetwork(
    supernet: SharedWeights,
    images: Images,
    options: SubnetworkOptions,
    *,
    skeleton: dict[str, Any] | None = None,
    device: str = "auto",
    seed: int = 0,
    progress: Callable[[int, int, str], None] | None = None,
) -> dict[str, Any]:
    """Best sub-network of a trained supernet, after it was trained by itself, and its files.

    Sub-networks are searched by their validation accuracy with inherited weights. The best are
    trained by themselves, and beside them as many that are drawn uniformly; of those searched for,
    that with the highest validation accuracy then is the answer.

    Parameters
    ----------
    supernet : SharedWeights
        Trained; its weights are left as they are.
    images : Images
    options : SubnetworkOptions
    skeleton : dict, optional
        Width and cells of the networks, as of the supernet; a model has its own.
    device : str
    seed : int
    progress : callable, optional
        Called with the parts done, those in all, and a note.

    Returns
    -------
    dict
        ``best``, the row of the answer; ``trained``, one row a training, ``of`` the search or
        ``random``; ``front``, the rows of the front where several objectives are searched;
        ``search_seconds``; ``network`` (None where the network cannot be exported, with the reason
        in ``not_exported``) and ``weights``, its files.

    Raises
    ------
    ParameterError
        If no objective is the accuracy, or the recipe is of another size than the supernet.
    InfeasibleError
        If no architecture keeps the bounds.
    LabelError
        If every training diverged.
    NasurgeError
        As ``nasurge.search`` and ``train_network``.
    """
    recipe = _recipe(options, skeleton or {})
    device = resolve_device(device)
    supernet.to(device)
    shown = progress or (lambda *_: None)
    begin = time.perf_counter()
    trace = _searched(supernet, images, options, seed, shown)
    seconds = time.perf_counter() - begin
    codes = _best_codes(trace, options.top)
    count = len(codes) if options.random is None else options.random
    drawn = _drawn(supernet, options, count, seed)
    jobs = [("search", code) for code in codes] + [("random", code) for code in drawn]
    inherited = supernet.evaluate(np.stack([code for _, code in jobs]), images, seed=seed).accuracy
    trained = []
    for number, ((of, code), accuracy) in enumerate(zip(jobs, inherited, strict=True)):
        shown(number, len(jobs), "trainings")
        one = _train(supernet, images, recipe, options, code, device=device, seed=seed)
        one.row.update(of=of, inherited_accuracy=float(accuracy))
        trained.append(one)
    best = _answer([one for one in trained if one.row["of"] == "search"])
    return {
        "best": best.row,
        "trained": [one.row for one in trained],
        "front": _front(trace),
        "evaluated": len(trace.values),
        "search_seconds": seconds,
        **_exported(best, images, options.out),
    }


def _recipe(options: SubnetworkOptions, skeleton: dict[str, Any]) -> Recipe:
    """Recipe of the trainings, of networks as large as the supernet's."""
    recipe = read_recipe(options.recipe, epochs=options.train_epochs)
    if options.recipe:
        asked = read_recipe(options.recipe)
        usual = Recipe()
        for name, size in skeleton.items():
            if getattr(asked, name) not in (getattr(usual, name), size):
                raise ParameterError(
                    f"the supernet has {name} {size}, the recipe {getattr(asked, name)}: leave it "
                    "out of the recipe, its networks are as large as the supernet's"
                )
    return read_recipe(recipe, **skeleton)


def _searched(
    supernet: SharedWeights,
    images: Images,
    options: SubnetworkOptions,
    seed: int,
    progress: Callable[[int, int, str], None],
) -> Trace:
    """Search by validation accuracy with inherited weights."""
    names = [part.strip() for part in (options.objectives or ACCURACY).split(",")]
    if ACCURACY not in names or not {*names} <= {ACCURACY, *COSTS}:
        raise ParameterError(
            f"objectives of sub-networks are accuracy and {' and '.join(COSTS)}, not "
            f"{options.objectives}"
        )
    return _by_accuracy(
        supernet,
        images,
        options,
        objectives=names,
        searcher=options.searcher,
        budget=options.budget,
        seed=seed,
        progress=progress,
    )


def _by_accuracy(
    supernet: SharedWeights, images: Images, options: SubnetworkOptions, **how: Any
) -> Trace:
    """Trace of a search whose function is the inherited accuracy."""

    def accuracy(codes: Codes) -> Any:
        found = supernet.evaluate(codes, images, limit=options.valid_limit, seed=how["seed"])
        return {ACCURACY: found.accuracy}

    bounds, costs = tuple(options.constraints), costs_of(supernet.space, tuple(how["objectives"]))
    how = {**how, "constraints": bounds, "costs": costs}
    return cast(Trace, search(accuracy, space=supernet.space, **how))


def _best_codes(trace: Trace, top: int) -> list[Codes]:
    """Codes of the highest inherited accuracies, each function once; on the front, if there is one.

    What a search of several objectives trains are the most accurate of its front.
    """
    if trace.n_objectives > 1:
        front = trace.front()
        place = trace.names.index(ACCURACY)
        codes, values = front.codes, front.values[:, place]
    else:
        codes, values = trace.codes, trace.values.reshape(len(trace.codes), -1)[:, 0]
    known = ~np.isnan(values)
    codes, values = codes[known], values[known]
    order = np.argsort(-values, kind="stable")
    unique: dict[Any, Codes] = {}
    canonical = trace.space.canonical(codes[order])
    for key, code in zip(trace.space.keys(canonical).tolist(), codes[order], strict=True):
        unique.setdefault(key, code)
    return list(unique.values())[:top]


def _drawn(
    supernet: SharedWeights, options: SubnetworkOptions, count: int, seed: int
) -> list[Codes]:
    """Codes drawn uniformly among those within the bounds on costs."""
    if not count:
        return []

    def unknown(codes: Codes) -> Any:
        return {ACCURACY: np.zeros(len(codes))}

    trace = search(
        unknown,
        space=supernet.space,
        objectives=[ACCURACY],
        constraints=tuple(options.constraints),
        searcher="random",
        budget=count,
        seed=int(np.random.default_rng([seed, 4]).integers(2**31)),
    )
    return list(cast(Trace, trace).codes)


def _train(
    supernet: SharedWeights,
    images: Images,
    recipe: Recipe,
    options: SubnetworkOptions,
    code: Codes,
    *,
    device: str,
    seed: int,
) -> _Trained:
    """Network of an architecture trained by itself; one that was is read from its file."""
    space, rng = supernet.space, np.random.default_rng([seed, 3])
    if options.start == "inherited":
        network = supernet.extract(code)
    else:
        with torch_seed(rng, device):
            network = network_for(space, code, images, recipe)
    weights = weights_digest(network.state_dict())
    about = {"recipe": recipe.to_dict(), "seed": seed, "code": code.tolist(), "weights": weights}
    kept = options.out / "trainings" / f"{fingerprint(about)}.safetensors"
    result = train_network(network, images, recipe, device=device, seed=rng, checkpoint=kept)
    costs = {}
    if has_network_costs(space):
        costs = {cost: float(network_costs(space, code[None], cost)[0]) for cost in COSTS}
    row: Row = {
        "architecture": space.format(code[None])[0],
        "variables": space.to_dicts(code[None])[0],
        "start": options.start,
        "valid_accuracy": None if result.diverged else result.valid_accuracy,
        "test_accuracy": None if result.diverged else result.test_accuracy,
        "costs": costs,
        "parameters": result.parameters,
        "epochs": result.epochs,
        "train_seconds": result.train_seconds,
    }
    return _Trained(row, network)


def _answer(trained: Sequence[_Trained]) -> _Trained:
    """Training of the highest validation accuracy, the first of equals."""
    ended = [one for one in trained if one.row["valid_accuracy"] is not None]
    if not ended:
        raise LabelError(
            f"each of the {len(trained)} trainings diverged: give a --recipe with a lower "
            "learning_rate"
        )
    return max(ended, key=lambda one: float(one.row["valid_accuracy"]))


def _front(trace: Trace) -> list[Row]:
    """Architectures of the front with their values; nothing of one objective."""
    if trace.n_objectives == 1:
        return []
    front = trace.front()
    return [
        {"architecture": name, **dict(zip(trace.names, values, strict=False))}
        for name, values in zip(front.architectures, front.values.tolist(), strict=True)
    ]


def _exported(best: _Trained, images: Images, out: Path) -> dict[str, Any]:
    """Files of a network: its computation, its weights, and what it is."""
    from safetensors.torch import save

    network = best.network.cpu().eval()
    network.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    tensors = {name: tensor.contiguous() for name, tensor in network.state_dict().items()}
    weights, program = out / "weights.safetensors", out / "network.pt2"
    with atomic_write(weights) as file:
        file.write(save(tensors, {"architecture": best.row["architecture"]}))
    with atomic_write(out / "best.json") as file:
        file.write(json.dumps(jsonable(best.row), indent=1).encode())
    example = torch.from_numpy(images.valid_x[:2])
    stream = io.BytesIO()
    try:
        shapes = ({0: torch.export.Dim("batch", min=1)},)
        torch.export.save(torch.export.export(network, (example,), dynamic_shapes=shapes), stream)
    except Exception as error:  # noqa: BLE001 -- whatever torch.export cannot follow in a model
        reason = str(error).partition("\n")[0] or type(error).__name__
        return {"weights": str(weights), "network": None, "not_exported": reason}
    with atomic_write(program) as file:
        file.write(stream.getvalue())
    return {"weights": str(weights), "network": str(program), "not_exported": None}
