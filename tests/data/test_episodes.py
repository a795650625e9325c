"""Few-shot episodes: classes never mix, nothing is repeated, and what cannot be drawn is named."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from nasurge.data.images import (
    EpisodeSampler,
    ImageClasses,
    load_classes,
    load_pictures,
    split_classes,
)
from nasurge.errors import LabelError, ParameterError


def numbered(counts: list[int], names: list[str] | None = None) -> ImageClasses:
    """Images of one pixel that say which image and class they are."""
    labels = np.repeat(np.arange(len(counts)), counts)
    order = np.random.default_rng(0).permutation(len(labels))
    pixels = (100 * labels + np.concatenate([np.arange(n) for n in counts]))[order]
    return ImageClasses(
        pixels.astype(np.float32).reshape(-1, 1, 1, 1),
        labels[order],
        tuple(names or [f"c{k}" for k in range(len(counts))]),
        "numbers",
    )


@pytest.fixture(scope="module")
def glyphs() -> ImageClasses:
    return load_classes("glyphs", size=14)


@settings(deadline=None, max_examples=30)
@given(
    counts=st.lists(st.integers(4, 9), min_size=3, max_size=8),
    way=st.integers(1, 3),
    shot=st.integers(1, 2),
    seed=st.integers(0, 99),
)
def test_an_episode_is_what_it_says(counts, way, shot, seed) -> None:
    """Each image is of the class it is numbered with, and occurs once."""
    data = numbered(counts)
    found = EpisodeSampler(data, way=way, shot=shot, query=2, seed=seed).draw(5)
    for task in range(5):
        assert len(set(found.classes[task])) == way
        support, query = found.support_x[task].ravel(), found.query_x[task].ravel()
        assert np.array_equal(support // 100, found.classes[task][found.support_y])
        assert np.array_equal(query // 100, found.classes[task][found.query_y])
        every = np.concatenate([support, query])
        assert len(set(every)) == len(every) == way * (shot + 2)


def test_the_same_seed_draws_the_same_and_all_is_drawn() -> None:
    data = numbered([6] * 10)
    a, b = (EpisodeSampler(data, way=3, shot=1, query=2, seed=7).draw(200) for _ in range(2))
    assert np.array_equal(a.query_x, b.query_x)
    assert len(np.unique(a.classes)) == 10
    assert len(np.unique(a.support_x)) == 60
    other = EpisodeSampler(data, way=3, shot=1, query=2, seed=8).draw(200)
    assert not np.array_equal(a.query_x, other.query_x)


@settings(deadline=None, max_examples=30)
@given(n_train=st.integers(1, 11), whole=st.booleans(), seed=st.integers(0, 99))
def test_no_class_and_no_image_is_in_both_parts(n_train, whole, seed) -> None:
    names = [f"{'abcd'[k // 3]}/{k}" for k in range(12)]
    data = numbered([4] * 12, names)
    try:
        train, test = split_classes(data, n_train, whole_groups=whole, seed=seed)
    except ParameterError:
        assert whole, "single classes can always be split so"
        return
    assert not set(train.classes) & set(test.classes)
    assert set(train.classes) | set(test.classes) == set(names)
    assert not set(train.images.ravel()) & set(test.images.ravel())
    for part in (train, test):
        assert np.array_equal(
            part.images.ravel() // 100, [names.index(part.classes[k]) for k in part.labels]
        )
    if whole:
        assert not set(train.groups) & set(test.groups)
    else:
        assert len(train.classes) == n_train


def test_rotations_are_new_classes() -> None:
    data = numbered([3, 4])
    turned = data.with_rotations()
    assert turned.classes[:3] == ("c0", "c1", "c0+90")
    assert turned.counts.tolist() == [3, 4] * 4
    page = ImageClasses(
        np.arange(4.0, dtype=np.float32).reshape(1, 1, 2, 2), np.zeros(1, int), ("p",), "p"
    )
    assert page.with_rotations().images[1, 0].tolist() == [[1, 3], [0, 2]]


def test_colours_become_the_grey_of_pillow_and_grey_is_repeated(tmp_path: Path) -> None:
    rng, wanted = np.random.default_rng(0), []
    for name in ("a/0.png", "b/1.png"):
        picture = Image.fromarray(rng.integers(256, size=(5, 5, 3), dtype=np.uint8))
        (tmp_path / name).parent.mkdir()
        picture.save(tmp_path / name)
        wanted.append(np.asarray(picture.convert("L"), dtype=np.float32))
    data = load_classes(tmp_path)
    low, high = data.levels
    grey = data.with_channels(1)
    assert grey.images.shape == (2, 1, 5, 5)
    # Pillow rounds to whole levels.
    assert np.abs(grey.images[:, 0] * (high - low) + low - np.stack(wanted)).max() <= 0.51
    again = grey.with_channels(3)
    assert all((again.images[:, k] == grey.images[:, 0]).all() for k in range(3))
    assert again.classes == ("a", "b")
    with pytest.raises(ParameterError, match="have 3 channels: 2 cannot be made"):
        data.with_channels(2)


def test_pictures_are_scaled_as_the_images_of_a_folder(tmp_path: Path) -> None:
    for name, grey in (("a/0.png", 51), ("b/1.png", 204)):
        (tmp_path / name).parent.mkdir()
        Image.new("L", (3, 3), grey).save(tmp_path / name)
    data = load_classes(tmp_path)
    files, pixels = load_pictures([tmp_path], size=3, channels=1)
    assert [file.name for file in files] == ["0.png", "1.png"]
    assert data.levels == (51, 204)
    assert np.allclose((pixels - 51) / (204 - 51), data.images)
    assert load_classes("digits").levels == (0, 255)


def test_what_cannot_be_drawn_is_named() -> None:
    data = numbered([9, 3, 9])
    with pytest.raises(LabelError, match=r"takes 1 \+ 3 images of a class, but 'c1' .* has 3"):
        EpisodeSampler(data, way=2, shot=1, query=3)
    with pytest.raises(LabelError, match="5-way episodes need 5 classes, numbers has 3"):
        EpisodeSampler(data, way=5, shot=1, query=1)
    with pytest.raises(ParameterError, match="at least 1, not 2, 0 and 1"):
        EpisodeSampler(data, way=2, shot=0, query=1)
    with pytest.raises(ParameterError, match="at least 1, not 0"):
        EpisodeSampler(data, way=2, shot=1, query=1).draw(0)
    for n_train in (0, 3, 1.0):
        with pytest.raises(ParameterError, match="leave one part empty"):
            split_classes(data, n_train)
    with pytest.raises(ParameterError, match="3 classes in 1 groups"):
        split_classes(numbered([2] * 3, ["a/1", "a/2", "a/3"]), 2, whole_groups=True)


def test_a_class_without_support_is_named() -> None:
    drawn = EpisodeSampler(load_classes("digits"), way=3, shot=1, query=1, seed=0).draw(2)
    with pytest.raises(LabelError, match="of 3 classes, numbered from 0, 1 have none"):
        replace(drawn, support_y=np.array([0, 2, 2]))


def test_glyphs_are_on_every_machine(glyphs: ImageClasses) -> None:
    """Alphabets of characters that all look different, 20 drawings each, the same every time."""
    assert len(set(glyphs.groups)) > 12
    assert len(glyphs.classes) == len(set(glyphs.classes)) > 800
    assert set(glyphs.counts) == {20}
    assert glyphs.images.shape[1:] == (1, 14, 14)
    assert 0 <= glyphs.images.min() < 0.01 < 0.9 < glyphs.images.max() <= 1
    ink = glyphs.images.reshape(len(glyphs.labels), -1)
    assert (ink.sum(axis=1) > 0.2).all(), "an empty page"
    some = ink.reshape(-1, 20, ink.shape[1])[::40]
    mean = some.mean(axis=1)
    own = ((some - mean[:, None]) ** 2).sum(axis=2)
    nearest = ((some[:, :, None] - mean[None, None]) ** 2).sum(axis=3).argmin(axis=2)
    assert (nearest == np.arange(len(some))[:, None]).mean() > 0.5, (
        "drawings of one character differ"
    )
    assert own.min() > 0, "two drawings are the same"
    train, test = split_classes(glyphs, 0.6, whole_groups=True, seed=0)
    assert not set(train.groups) & set(test.groups)


@pytest.mark.reference
def test_omniglot_splits_as_asked(reference: Path) -> None:
    data = load_classes(reference / "omniglot_background_28x28.npz")
    train, test = split_classes(data, 700, seed=0)
    assert (len(train.classes), len(test.classes)) == (700, 264)
    assert EpisodeSampler(train, way=5, shot=5, query=15, seed=0).draw(2).support_x.shape == (
        *(2, 25, 1, 28, 28),
    )


def test_a_folder_of_images_has_episodes() -> None:
    data = load_classes("digits")
    assert repr(data) == "<ImageClasses digits: 1797 images of 10 classes, 1x8x8>"
    assert data.images.min() == 0
    assert data.images.max() == 1
    with pytest.raises(ParameterError, match="at least 1 pixel"):
        load_classes("digits", size=0)
