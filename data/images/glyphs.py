"""Characters of the fonts that come with matplotlib, drawn as a few-shot image set."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import UnknownNameError
from ..types import Values
from .sources import Raw

STYLES = tuple(
    f"DejaVu{family}{style}.ttf"
    for family, slant in (("Sans", "Oblique"), ("Serif", "Italic"), ("SansMono", "Oblique"))
    for style in ("", "-Bold", f"-{slant}", f"-Bold{slant}")
)
"""Fonts by file, the first of which has the most characters."""
DRAWINGS = 20  # of each character, as in Omniglot
MOST = 120  # characters of an alphabet, those first in Unicode
SCRIPTS = (
    *("ARABIC", "ARMENIAN", "BRAILLE", "CANADIAN", "COPTIC", "CYRILLIC", "GEORGIAN", "GREEK"),
    *("HEBREW", "LAO", "LATIN", "LISU", "NKO", "OGHAM", "OLD", "TIFINAGH"),
)
"""Alphabets, by the first word of the Unicode names of their characters."""
_SEED = 20  # of the jitter: the set is the same everywhere
_CANVAS = 48  # pixels in which a character is drawn before it is turned and shrunk


def read_glyphs(
    size: int = 28, *, drawings: int = DRAWINGS, scripts: Sequence[str] = SCRIPTS
) -> Raw:
    """Drawings of characters, ink 1 and paper 0, classes ``SCRIPT/NAME``.

    A drawing takes one of the font styles that have the character and is turned, slanted, scaled
    and shifted a little. Letters with accents are left out, and every character that looks like an
    earlier one (the Greek and the Cyrillic A), so that no two classes are the same picture.

    Parameters
    ----------
    size : int
        Side of the images in pixels.
    drawings : int
        Of each character.
    scripts : sequence of str
        The alphabets to draw, of ``SCRIPTS``.

    Raises
    ------
    UnknownNameError
        If there is no such alphabet.

    Examples
    --------
    >>> raw = read_glyphs(12)
    >>> raw.train_x.shape[1:], len(raw.train_y) == 20 * len(raw.classes)
    ((1, 12, 12), True)
    """
    from PIL import Image

    for script in scripts:
        if script not in SCRIPTS:
            raise UnknownNameError("alphabet", script, SCRIPTS)
    rng = np.random.default_rng(_SEED)
    characters = [c for c in _characters() if unicodedata.name(c).partition(" ")[0] in scripts]
    images = np.empty((len(characters), drawings, 1, size, size), dtype=np.float32)
    maps = _jitter(rng, len(characters) * drawings, size).reshape(len(characters), drawings, 6)
    for k, character in enumerate(characters):
        styles = [style for style in STYLES if ord(character) in _has(style)]
        pages = [Image.fromarray(_draw(style, character)) for style in styles]
        for j, style in enumerate(rng.integers(len(styles), size=drawings)):
            images[k, j, 0] = pages[style].transform(
                (size, size),
                Image.Transform.AFFINE,
                tuple(maps[k, j]),
                Image.Resampling.BILINEAR,
            )
    pixels = images.reshape(-1, 1, size, size) / np.float32(255)
    labels = np.repeat(np.arange(len(characters)), drawings)
    return Raw(pixels, labels, None, None, tuple(map(_class_name, characters)), "glyphs", white=1)


@cache
def _font_file(style: str) -> Path:
    import matplotlib

    return Path(matplotlib.get_data_path()) / "fonts" / "ttf" / style


@cache
def _has(style: str) -> frozenset[int]:
    """Code points that a font has."""
    from matplotlib.ft2font import FT2Font

    return frozenset(FT2Font(str(_font_file(style))).get_charmap())


def _class_name(character: str) -> str:
    script, _, rest = unicodedata.name(character).partition(" ")
    return f"{script}/{rest}"


@cache
def _characters() -> tuple[str, ...]:
    """Letters of the alphabets, each picture once."""
    seen: set[bytes] = set()
    kept: list[str] = []
    counts = dict.fromkeys(SCRIPTS, 0)
    for point in sorted(_has(STYLES[0])):
        character = chr(point)
        if unicodedata.category(character) not in ("Lu", "Ll", "Lo", "So"):
            continue
        script = unicodedata.name(character, "?").partition(" ")[0]
        if counts.get(script, MOST) >= MOST:
            continue
        if unicodedata.decomposition(character):  # a letter with an accent, or a form of another
            continue
        picture = _draw(STYLES[0], character)
        coarse = (picture.reshape(16, 3, 16, 3).mean(axis=(1, 3)) > 96).tobytes()
        if picture.any() and coarse not in seen:
            seen.add(coarse)
            kept.append(character)
            counts[script] += 1
    return tuple(kept)


def _draw(style: str, character: str) -> NDArray[np.uint8]:
    """Character in the middle of a page, shape (48, 48), as large as fits."""
    from PIL import Image, ImageDraw

    font = _font(style, 36)
    left, top, right, bottom = font.getbbox(character)
    largest = max(right - left, bottom - top, 1)
    if largest > 40:
        font = _font(style, max(8, int(36 * 40 / largest)))
        left, top, right, bottom = font.getbbox(character)
    page = Image.new("L", (_CANVAS, _CANVAS))
    where = ((_CANVAS - left - right) / 2, (_CANVAS - top - bottom) / 2)
    ImageDraw.Draw(page).text(where, character, fill=255, font=font)
    return np.asarray(page)


@cache
def _font(style: str, points: int) -> Any:
    from PIL import ImageFont

    return ImageFont.truetype(str(_font_file(style)), points)


def _jitter(rng: np.random.Generator, n: int, size: int) -> Values:
    """Affine maps from an image to the page, shape (n, 6), a little off the straight one."""
    turn, slant = np.radians(rng.normal(0, 6, n)), rng.normal(0, 0.1, n)
    stretch = np.exp(rng.normal(0, 0.08, (n, 1, 2))) * _CANVAS / size
    cosine, sine = np.cos(turn), np.sin(turn)
    rotation = np.stack([cosine, -sine, sine, cosine], axis=1).reshape(n, 2, 2)
    shear = np.tile(np.eye(2), (n, 1, 1))
    shear[:, 0, 1] = slant
    matrix = rotation @ shear * stretch
    middle = _CANVAS / 2 + rng.normal(0, 1.5, (n, 2, 1))
    offset = middle - matrix @ np.full((2, 1), size / 2)
    return np.concatenate([matrix, offset], axis=2).reshape(n, 6)
