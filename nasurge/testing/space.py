"""What every search space must do; a plug-in's tests call these.

Parametrise a test over ``SPACE_CHECKS``, so that each fact fails by its own name::

    @pytest.mark.parametrize("check", SPACE_CHECKS, ids=lambda check: check.__name__)
    def test_my_space(check):
        check(MySpace())

or call ``space_contract(MySpace())`` for all of them.
"""

from __future__ import annotations

import copy
import json
import pickle

import numpy as np

from ..data.spaces import Codes, Space, make_space, space_names
from ..errors import ArchitectureError, ParameterError

_N = 40


def _some(space: Space) -> Codes:
    """A few architectures, shape (n, d)."""
    return space.sample(_N, seed=0)


def check_describes_itself(space: Space) -> None:
    """Check names: of the space, its variables, their values and operations."""
    assert space.name
    assert len(set(space.variables)) == space.n_variables == len(space.cardinalities)
    assert tuple(map(len, space.choices)) == space.cardinalities
    assert min(space.cardinalities) >= 1
    assert max(space.cardinalities) <= 32_767, "codes are int8 or int16"
    assert {o.kind for o in space.operations} <= {"zero", "skip", "conv", "pool"}


def check_writes_and_reads(space: Space) -> None:
    """Check that strings, identities and dicts lead back to the same architectures."""
    codes = _some(space)
    strings = space.format(codes)
    assert all(isinstance(string, str) for string in strings)
    assert np.array_equal(space.parse(strings), codes)
    keys = space.keys(codes)
    assert np.array_equal(space.from_keys(keys), codes)
    assert np.array_equal(np.argsort(keys, kind="stable"), np.lexsort(codes.T[::-1]))
    assert np.array_equal(space.parse(space.to_dicts(codes)), codes)
    assert space.parse(strings[0]).shape == (1, space.n_variables)


def check_refuses_foreign(space: Space) -> None:
    """Check that what is not in the space is an ``ArchitectureError``."""
    codes = _some(space).astype(np.int64)
    codes[-1, 0] = space.cardinalities[0]
    assert space.is_valid(codes).tolist() == [True] * (_N - 1) + [False]
    for wrong in (codes, codes[:1, :-1], codes[0], codes[:1] + 0.5):
        for call in (space.check, space.format, space.paths, space.graphs):
            try:
                call(wrong)
            except ArchitectureError as error:
                assert space.name in str(error)  # noqa: PT017
            else:
                raise AssertionError(f"{call.__name__} takes what is not in the space")
    for text in ("", "no architecture", "|", None):
        try:
            space.parse([text])  # type: ignore[list-item]
        except ArchitectureError:
            continue
        raise AssertionError(f"parse takes {text!r}")


def check_moves(space: Space) -> None:
    """Check that what is drawn, mutated and crossed is in the space, and repeats with its seed."""
    codes = _some(space)
    before = codes.copy()
    mutants = space.mutate(codes, seed=1)
    _check_steps(space, codes, mutants, "mutant")
    children = space.crossover(codes, codes[::-1], seed=1)
    mixed = (children == codes) | (children == codes[::-1])
    assert (mixed | ~(space.active(codes) & space.active(codes[::-1]))).all()
    neighbours, origin = space.neighbours(codes[:3])
    _check_steps(space, codes[origin], neighbours, "neighbour")
    for moved in (codes, mutants, children, neighbours):
        assert moved.dtype == space.dtype
        assert space.is_valid(moved).all()
    assert np.array_equal(mutants, space.mutate(codes, seed=1))
    assert np.array_equal(codes, _some(space))
    assert np.array_equal(codes, before), "the codes were changed"


def _check_steps(space: Space, before: Codes, after: Codes, what: str) -> None:
    """Check that one variable differs, beside those that it made active or inactive."""
    changed = before != after
    assert changed.any(axis=1).all(), f"a {what} is another architecture"
    lasting = space.active(before) & space.active(after)
    assert ((changed & lasting).sum(axis=1) <= 1).all(), f"a {what} differs in one variable"
    if not space.conditional:
        return
    there = space.active(before) | space.active(after)
    assert not (changed & ~there).any(), f"a {what} differs where neither is active"


def check_twins(space: Space) -> None:
    """Check that the canonical form is in the space, its own, and the same for equal functions."""
    codes = _some(space)
    canonical = space.canonical(codes)
    assert space.is_valid(canonical).all()
    assert np.array_equal(space.canonical(canonical), canonical)
    assert np.array_equal(space.function_ids(canonical), space.function_ids(codes))
    assert np.array_equal(space.canonical(codes[::-1]), canonical[::-1]), "it is each row's own"


def check_paths(space: Space) -> None:
    """Check the shapes and ranges of paths."""
    codes = _some(space)
    operations, variables, alive = space.paths(codes)
    assert operations.shape == variables.shape
    assert operations.shape[:2] == alive.shape
    assert len(alive) == len(codes)
    assert operations.min() >= -1
    assert operations.max() < len(space.operations)
    assert np.array_equal(operations < 0, variables < 0), "a step has an operation and a variable"
    assert variables.max() < space.n_variables


def check_graphs(space: Space) -> None:
    """Check that graphs have no cycle, and that only live nodes are joined to live ones."""
    codes = _some(space)
    nodes, adjacency, mask = space.graphs(codes)
    n, v = nodes.shape
    assert (n, mask.shape, adjacency.shape) == (len(codes), (n, v), (n, v, v))
    assert nodes.min() >= 0
    assert nodes.max() < len(space.node_types)
    assert (nodes[:, 0] == 0).all(), "node 0 is the input"
    assert (nodes[:, 1] == 1).all(), "node 1 is the output"
    steps = adjacency & mask[:, :, None] & mask[:, None, :]
    walks = steps.astype(np.float64)
    for _ in range(v):
        walks = np.minimum(walks @ steps, 1)
    assert not walks.any(), "a graph has a cycle"
    if space.nodes_are_variables:
        assert v == space.n_variables + 2, "nodes are input, output and the variables"


def check_relaxation(space: Space) -> None:
    """Check the frame of relaxed architectures, where there is one."""
    try:
        frame = space.frame
    except ParameterError:
        return
    assert frame.places.shape == (sum(space.cardinalities), 2)
    assert frame.places[:, 1].max() < len(space.node_types)
    flows = 1 if frame.topology is None else space.cardinalities[frame.topology]
    v = space.graphs(_some(space)).nodes.shape[1]
    assert frame.flows.shape == (flows, v, v)
    if space.nodes_are_variables:
        nodes = np.repeat(np.arange(space.n_variables), space.cardinalities) + 2
        assert np.array_equal(frame.places[:, 0], nodes), "node 2 + i is variable i"
    if frame.opens is not None:
        assert (frame.opens >= 0).all()
        assert (frame.opens < (len(frame.places), v, v)).all()
    if frame.fixed is not None:
        assert (frame.fixed < (v, len(space.node_types))).all()


def check_networks(space: Space) -> None:
    """Check that networks take images and give finite logits, where there are any."""
    import torch

    if space.networks is None:
        return
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        sizes = {"classes": 5, "in_channels": 3, "width": 4, "cells": 1}
        network = space.networks(_some(space)[0], **sizes, affine=True, reduction="plain")
        images = torch.randn(2, 3, 16, 16)
        logits = network(images)
    assert logits.shape == (2, 5)
    assert torch.isfinite(logits).all()
    if isinstance(network, torch.nn.Sequential):
        features = network[:-1](images)
        assert features.ndim == 2, "the last layer is the classifier, the one before it pools"


def check_travels(space: Space) -> None:
    """Check that a space comes back from a pickle, a copy and its JSON description."""
    for made in (pickle.loads(pickle.dumps(space)), copy.deepcopy(space)):  # noqa: S301 - our own
        assert made == space
        assert hash(made) == hash(space)
    spec = json.loads(json.dumps(space.spec()))
    assert spec["name"] == space.name
    if {"choices", "variables", "kind"} & set(spec) or space.name in space_names():
        assert make_space(spec) == space


SPACE_CHECKS = (
    check_describes_itself,
    check_writes_and_reads,
    check_refuses_foreign,
    check_moves,
    check_twins,
    check_paths,
    check_graphs,
    check_relaxation,
    check_networks,
    check_travels,
)
"""All checks, to parametrise a test with."""


def space_contract(space: Space) -> None:
    """Assert every fact that users of a space rely on.

    Parameters
    ----------
    space : Space
        Of at least two architectures.

    Raises
    ------
    AssertionError
        By the first check that fails.

    Examples
    --------
    >>> space_contract(make_space("transnas-macro"))
    """
    for check in SPACE_CHECKS:
        check(space)
