"""Warm starts: embeddings, the store, donors of other spaces, and the gate."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from nasurge.benchmarks.supernet import Supernet
from nasurge.benchmarks.training.task_embeddings import (
    KINDS,
    embed_task,
    fisher_distances,
    task_distances,
    transport_distances,
)
from nasurge.data.images import default_tasks, load_images, load_task
from nasurge.data.spaces import make_space
from nasurge.errors import (
    DataFileError,
    IncompatibleDonorError,
    ParameterError,
    UnknownNameError,
)
from nasurge.search.differentiable import (
    Donor,
    Gate,
    donor_distances,
    donor_weights,
    keep_donor,
    read_donors,
    search_supernet,
    transferred_logits,
)
from nasurge.search.studies import WarmStartOptions
from nasurge.search.studies.warm_start_units import DistanceUnit, EmbedUnit

SPACE = make_space("nb201")
SMALL = {"size": 8, "classes": 5, "train": 60, "held_out": 30}

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def few():
    return load_images("digits", limit=60)


@pytest.fixture(scope="module")
def embedding(few):
    return embed_task(few)


def donor_of(embedding, task="digits", operation=3, share=0.6, space="nb201") -> Donor:
    shares = np.full((6, 5), (1 - share) / 4)
    shares[:, operation] = share
    code = np.full((1, 6), operation, dtype=np.int8)
    return Donor(
        task=task,
        space=space,
        sizes={"width": 2},
        shares=shares,
        architecture=SPACE.format(code)[0],
        accuracy=90.0,
        seconds=1.5,
        steps=10,
        embedding=embedding,
    )


def test_a_task_is_some_classes_of_a_set_and_no_larger_than_wanted():
    images = load_task("glyphs#GREEK", size=10, classes=3, train=50, held_out=20)
    assert images.train_x.shape == (50, 1, 10, 10)
    assert len(images.classes) == 3
    assert all(name.startswith("GREEK/") for name in images.classes)
    assert (len(images.valid_y), len(images.test_y)) == (20, 36)
    assert load_task("digits#1+7").classes == ("1", "7")
    for spec, error in {
        "digits#eleven": UnknownNameError,
        "glyphs#KLINGON": UnknownNameError,
        "digits#3": ParameterError,
    }.items():
        with pytest.raises(error):
            load_task(spec)


def test_there_are_six_tasks_on_every_machine(monkeypatch):
    monkeypatch.delenv("NASURGE_DATA", raising=False)
    assert len(default_tasks()) >= 6
    assert default_tasks() == default_tasks("offline")


def test_embeddings_are_repeatable_and_leave_global_randomness(few, embedding):
    torch.manual_seed(3)
    before = torch.get_rng_state()
    again = embed_task(few)
    assert torch.equal(torch.get_rng_state(), before)
    for key, value in embedding.arrays().items():
        np.testing.assert_array_equal(value, again.arrays()[key])


@pytest.mark.parametrize("kind", KINDS)
def test_distances_are_symmetric_and_two_alphabets_are_nearer_than_digits(kind):
    tasks = [load_task(name, size=12, train=300, classes=20) for name in NAMES]
    found = task_distances([embed_task(task) for task in tasks], kind)
    np.testing.assert_allclose(found, found.T)
    assert (np.diag(found) == 0).all()
    assert found[0, 1] < min(found[0, 2], found[1, 2])


NAMES = ("glyphs#CYRILLIC", "glyphs#GREEK", "digits")


def test_fisher_distances_do_not_depend_on_scale():
    rows = np.abs(np.random.default_rng(0).normal(size=(3, 8)))
    np.testing.assert_allclose(fisher_distances(rows), fisher_distances(rows * 7), atol=1e-12)


def test_a_transport_distance_of_single_classes_is_that_of_their_gaussians(embedding):
    def moved(by):
        means = np.zeros((1, 12))
        means[0, 0] = by
        return replace(
            embedding, weights=np.ones(1), means=means, covariances=np.eye(12)[None].copy()
        )

    found = transport_distances([moved(0.0), moved(3.0)])
    np.testing.assert_allclose(found, [[0, 3], [3, 0]], atol=1e-6)


def test_transport_distances_are_those_of_another_library():
    from ot.gmm import gmm_ot_loss

    tasks = [load_task(name, size=12, train=300, classes=9) for name in NAMES]
    one_class = [replace(embed_task(tasks[0]), weights=np.eye(9)[0])]
    embeddings = [*map(embed_task, tasks), *one_class]
    found = transport_distances(embeddings)
    for i, a in enumerate(embeddings):
        for j, b in enumerate(embeddings[:i]):
            squared = gmm_ot_loss(
                a.means, b.means, a.covariances, b.covariances, a.weights, b.weights
            )
            assert found[i, j] ** 2 == pytest.approx(squared, rel=1e-6)


def test_a_folder_of_donors_gives_back_what_it_was_given(embedding, tmp_path):
    for task in ("digits", "a/path to#some+classes", "digits"):
        keep_donor(tmp_path, donor_of(embedding, task))
    found = read_donors(tmp_path)
    assert [e.task for e in found] == ["a/path to#some+classes", "digits"]
    np.testing.assert_array_equal(found[1].shares, donor_of(embedding).shares)
    assert found[1].architecture == donor_of(embedding).architecture
    assert found[1].sizes == {"width": 2}
    np.testing.assert_allclose(donor_distances(embedding, found), 0, atol=1e-6)


def test_a_damaged_donor_is_an_error(embedding, tmp_path):
    path = keep_donor(tmp_path, donor_of(embedding))
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(DataFileError, match=r"truncated|no checkpoint"):
        read_donors(tmp_path)


def test_a_donor_of_another_space_is_refused_with_the_reason(embedding):
    donor = donor_of(embedding, task="cora", space="nbgraph")
    with pytest.raises(IncompatibleDonorError, match=r"'cora'.*'nb201'.*'nbgraph'"):
        transferred_logits([donor], SPACE)


def test_strength_and_weights_say_how_sure_a_start_is(embedding):
    donors = [donor_of(embedding, operation=k) for k in (3, 1)]
    assert not transferred_logits(donors, SPACE, strength=0).any()

    def shares(logits):
        return np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)

    np.testing.assert_allclose(shares(transferred_logits(donors[:1], SPACE)), donors[0].shares)
    mixed = shares(transferred_logits(donors, SPACE, weights=[0.75, 0.25]))
    np.testing.assert_allclose(mixed, 0.75 * donors[0].shares + 0.25 * donors[1].shares)
    sure = shares(transferred_logits(donors[:1], SPACE, strength=3))
    assert (sure[:, 3] > 0.95).all()
    for bad in ({"strength": -1.0}, {"weights": [1.0]}, {"weights": [0.0, 0.0]}):
        with pytest.raises(ParameterError):
            transferred_logits(donors, SPACE, **bad)


def test_weights_fall_with_distance():
    assert donor_weights([2.0, 1.0, 3.0]).argsort().tolist() == [2, 0, 1]
    np.testing.assert_allclose(donor_weights([0.5, 2.0], sharpness=0), 0.5)
    np.testing.assert_allclose(donor_weights([0.0, 0.0]), 0.5)
    with pytest.raises(ParameterError):
        donor_weights([])


def small_supernet() -> Supernet:
    return Supernet(SPACE, classes=10, in_channels=1, width=2, cells=1, seed=0)


def test_a_refused_donor_leaves_the_cold_search_as_it_was(few, embedding):
    options = {"epochs": 3, "batch_size": 20, "device": "cpu"}
    cold = search_supernet(small_supernet(), few, "ddpnas", seed=4, **options)
    nothing = donor_of(embedding, operation=0)
    logits = transferred_logits([nothing], SPACE)
    gate = Gate(after=1, rivals=10, beaten=1.0)
    found = search_supernet(
        small_supernet(), few, "ddpnas", logits=logits, gate=gate, seed=4, **options
    )
    assert not found.accepted
    np.testing.assert_array_equal(found.logits, cold.logits)
    assert found.losses == cold.losses
    lax = replace(gate, beaten=0)
    trusted = search_supernet(
        small_supernet(), few, "ddpnas", logits=logits, gate=lax, seed=4, **options
    )
    assert trusted.accepted
    assert trusted.losses[0] == cold.losses[0]
    assert not np.array_equal(trusted.logits, cold.logits)


class KilledError(Exception):
    """Ends a search from within."""


def test_a_gated_search_that_was_killed_goes_on_to_the_same_verdict(few, embedding, tmp_path):
    options = {"epochs": 3, "batch_size": 20, "device": "cpu", "seed": 4}
    gate = Gate(after=1, beaten=0)
    logits = transferred_logits([donor_of(embedding)], SPACE)
    whole = search_supernet(small_supernet(), few, "ddpnas", logits=logits, gate=gate, **options)

    def kill(done, total):
        if done == 2:
            raise KilledError

    options["checkpoint"] = tmp_path / "search.safetensors"
    with pytest.raises(KilledError):
        search_supernet(
            small_supernet(), few, "ddpnas", logits=logits, gate=gate, progress=kill, **options
        )
    again = search_supernet(small_supernet(), few, "ddpnas", logits=logits, gate=gate, **options)
    assert (again.accepted, again.beaten) == (True, whole.beaten)
    assert again.gate_seconds > 0
    assert again.losses == whole.losses
    np.testing.assert_array_equal(again.logits, whole.logits)

    other = transferred_logits([donor_of(embedding, operation=1)], SPACE)
    with pytest.raises(ParameterError, match="another run: donor differ"):
        search_supernet(small_supernet(), few, "ddpnas", logits=other, gate=gate, **options)
    strict = replace(gate, beaten=1.0)
    with pytest.raises(ParameterError, match="another run: gate differ"):
        search_supernet(small_supernet(), few, "ddpnas", logits=logits, gate=strict, **options)
    with pytest.raises(ParameterError, match="another run: gate, donor differ"):
        search_supernet(small_supernet(), few, "ddpnas", **options)


def test_a_gate_that_is_never_asked_is_an_error(few):
    logits = np.zeros((6, 5))
    for gate, options in {Gate(after=3): {"epochs": 3}, Gate(after=10): {}}.items():
        with pytest.raises(ParameterError, match=f"after {gate.after} epochs is never asked"):
            search_supernet(small_supernet(), few, logits=logits, gate=gate, **options)


def test_a_search_can_end_early_on_the_same_way(few):
    options = {"epochs": 3, "batch_size": 20, "device": "cpu", "seed": 1}
    whole = search_supernet(small_supernet(), few, "drnas", **options)
    part = search_supernet(small_supernet(), few, "drnas", until=2, **options)
    assert part.losses == whole.losses[:2]
    np.testing.assert_array_equal(part.codes, whole.codes[:2])
    np.testing.assert_array_equal(whole.codes[-1], whole.code)


@pytest.mark.parametrize("bad", [{"after": 0}, {"rivals": 0}, {"beaten": 2.0}, {"limit": 1}])
def test_a_gate_outside_its_range_is_an_error(bad):
    with pytest.raises(ParameterError, match="rivals"):
        Gate(**bad)


def test_embeddings_and_distances_are_timed_with_one_thread(embedding, tmp_path):
    options, seen = (
        WarmStartOptions(tasks=("digits", "glyphs#HEBREW", "glyphs#LAO"), **SMALL),
        set(),
    )
    for task in options.tasks:
        keep_donor(tmp_path / "seed-0", donor_of(embedding, task))
    hook = torch.nn.modules.module.register_module_forward_hook(
        lambda *_: seen.add(torch.get_num_threads())
    )
    torch.set_num_threads(2)
    try:
        EmbedUnit(options, "digits")()
        DistanceUnit(options, "digits", 0, tmp_path)()
    finally:
        hook.remove()
    assert seen == {1}
