"""Architectures as people write them: which space the strings are of, and how they are read."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ....errors import ArchitectureError, SchemaError, UnknownNameError
from ...spaces import ProductSpace, Space, make_space, space_names
from ...types import Codes

OWN = "own"
"""What a schema calls a space of independent choices, which takes its values from the file."""
CONVENTIONS = {
    "naslib": "NAS-Bench-201 as NASLib numbers it: operations skip, zero, 3x3, 1x1, pool on the "
    "edges 0-1, 0-2, 0-3, 1-2, 1-3, 2-3",
    "codes": "one number per variable, as NASurge numbers them: for NAS-Bench-201 operations zero, "
    "skip, 1x1, 3x3, pool on the edges 0-1, 0-2, 1-2, 0-3, 1-3, 2-3",
    "digits": "every digit is a choice of its own",
}
"""Ways to write architectures that have to be named, and what each means."""
_NASLIB_OPERATIONS = np.array([1, 0, 3, 2, 4], dtype=np.int8)
_NASLIB_EDGES = [0, 1, 3, 2, 4, 5]
_SAMPLE = 50
_WORD = re.compile(r"[\w.]+")
_DARTS = re.compile(r"Genotype\(|normal_concat|reduce_concat")


@dataclass(frozen=True)
class Architectures:
    """Architectures that were read: their space, their codes, and what to say of both."""

    space: Space
    codes: Codes
    said: tuple[str, ...]


def guess_space(strings: Sequence[str]) -> str | None:
    """Name of the space that reads most of the strings, whatever stands between their words."""
    different = list(dict.fromkeys(strings))
    if not different:
        return None
    chosen = np.unique(np.linspace(0, len(different) - 1, _SAMPLE).astype(int))
    sample = [different[k] for k in chosen]
    for name in space_names():
        space = make_space(name)
        if not space.recognised:
            continue
        if mostly(np.array([_reads(space, text) for text in _respelled(space, sample)])):
            return name
    return None


def mostly(true: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> bool:
    """Whether at least half is true, or nothing is there to tell."""
    return not len(true) or float(true.mean()) >= 0.5


def is_darts(strings: Sequence[str]) -> bool:
    """Whether strings are genotypes as of DARTS, be their cells of a known space or not."""
    return mostly(np.array([bool(_DARTS.search(text)) for text in strings[:_SAMPLE]]))


def read_architectures(
    strings: Sequence[str],
    *,
    space: str | None,
    convention: str | None,
    name: str,
    where: str,
) -> Architectures:
    """Codes of strings, in the space that is named, that is recognised, or of their own choices.

    Parameters
    ----------
    strings : sequence of str
    space : str, optional
        A name, or ``"own"``; by default the one that is recognised.
    convention : str, optional
        One of ``CONVENTIONS``.
    name : str
        Of a space of their own.
    where : str
        The file and column, for messages.

    Raises
    ------
    SchemaError
        If the strings can be read in several ways, or are no architectures.
    ArchitectureError
        Naming the first string that is not in the space.
    UnknownNameError
        If there is no such space or convention.
    """
    if convention is not None and convention not in CONVENTIONS:
        raise UnknownNameError("convention", convention, CONVENTIONS, hint=where)
    if convention == "naslib":
        if space not in (None, "nb201"):
            raise SchemaError(f"{where}: the convention naslib is one of nb201, not of {space!r}")
        return _naslib(strings, where)
    if convention == "codes":
        return _codes(strings, space, where)
    if convention == "digits":
        return _by_digit(strings, name, where)
    if space == OWN:
        return _own(strings, name, "")
    recognised = space is None
    if space is None:
        space = guess_space(strings)
    if space is None:
        return _unknown(strings, name, where)
    found = make_space(space)
    written = _respelled(found, strings)
    if not recognised:
        written = _by_choices(found, written)
    said = [f"the architectures are written as those of space {space}"] if recognised else []
    changed = sum(a != b.strip() for a, b in zip(written, strings, strict=True))
    if changed:
        said.append(
            f"{changed:,} of {len(strings):,} are spelled otherwise, such as "
            f"{next(b for a, b in zip(written, strings, strict=True) if a != b.strip())!r}: read "
            "by their words"
        )
    return Architectures(found, found.parse(written), tuple(said))


def _reads(space: Space, string: str) -> bool:
    try:
        space.parse(string)
    except ArchitectureError:
        return False
    return True


def _respelled(space: Space, strings: Sequence[str]) -> list[str]:
    """Strings as the space writes them, where their words are those of one of its architectures."""
    example = space.example
    between, size = _WORD.split(example), len(_WORD.findall(example))
    memo: dict[str, str] = {}

    def respelled(string: str) -> str:
        text = string.strip()
        if _reads(space, text):
            return text
        words = _WORD.findall(text)
        if len(words) == size:
            for cased in (words, [word.lower() for word in words]):
                parts = [part for pair in zip(between, cased, strict=False) for part in pair]
                other = "".join([*parts, between[-1]])
                if _reads(space, other):
                    return other
        return text

    for string in strings:
        if string not in memo:
            memo[string] = respelled(string)
    return [memo[string] for string in strings]


def _by_choices(space: Space, strings: Sequence[str]) -> list[str]:
    """Strings that name the value of every variable, as the space writes them."""
    values = [{value.lower(): k for k, value in enumerate(one)} for one in space.choices]
    written = list(strings)
    for position, string in enumerate(strings):
        words = [word.lower() for word in _WORD.findall(string)]
        if len(words) != len(values) or _reads(space, string):
            continue
        if all(word in known for word, known in zip(words, values, strict=True)):
            row = [known[word] for word, known in zip(words, values, strict=True)]
            if space.is_valid([row])[0]:
                written[position] = space.format([row])[0]
    return written


def _numbers(strings: Sequence[str], size: int, where: str) -> Codes:
    """Numbers in each string, apart or as digits, shape (n, size)."""
    rows = np.empty((len(strings), size), dtype=np.int8)
    for position, string in enumerate(strings):
        words = re.findall(r"\d+", string)
        if len(words) == 1 and len(words[0]) == size > 1:
            words = list(words[0])
        if len(words) != size or max(map(int, words)) > 126:
            raise ArchitectureError(
                f"{where}: {string[:100]!r} (number {position}) is not {size} numbers"
            )
        rows[position] = [int(word) for word in words]
    return rows


def _naslib(strings: Sequence[str], where: str) -> Architectures:
    space = make_space("nb201")
    names = [word for text in strings[:_SAMPLE] for word in re.findall(r"[a-z]\w*", text.lower())]
    if names:
        raise SchemaError(
            f"{where}: the convention naslib is six numbers, but there are names such as "
            f"{names[0]!r}"
        )
    found = _numbers(strings, 6, where)
    outside = (found > 4).any(axis=1)
    if outside.any():
        row = int(np.argmax(outside))
        raise ArchitectureError(
            f"{where}: {strings[row]!r} (number {row}): operations are numbered 0 to 4"
        )
    codes = _NASLIB_OPERATIONS[found][:, _NASLIB_EDGES]
    return Architectures(space, codes, (f"convention naslib: {CONVENTIONS['naslib']}",))


def _codes(strings: Sequence[str], space: str | None, where: str) -> Architectures:
    if space in (None, OWN):
        raise SchemaError(f"{where}: the convention codes needs the name of a space, such as nb201")
    found = make_space(str(space))
    codes = found.check(_numbers(strings, found.n_variables, where))
    return Architectures(found, codes, (f"convention codes: numbers of the values of {space}",))


def _by_digit(strings: Sequence[str], name: str, where: str) -> Architectures:
    """Architectures whose digits are choices."""
    odd = next((s for s in strings if not s.isdecimal() or len(s) != len(strings[0])), None)
    if odd is not None:
        raise SchemaError(
            f"{where}: {odd[:100]!r} is not {len(strings[0])} digits as {strings[0][:100]!r} is; "
            "zeros in front may have been lost: write the column as text"
        )
    choices = [sorted(set(column)) for column in zip(*strings, strict=True)]
    space = ProductSpace(choices, name=name, written=[None] * len(choices))
    said = f"every digit is a choice: {len(choices)} independent choices of {_extent(space)} values"
    return Architectures(space, space.parse(strings), (said,))


def _own(strings: Sequence[str], name: str, said: str) -> Architectures:
    space = ProductSpace.infer(strings, name=name)
    words = f"{space.n_variables} independent choices of {_extent(space)} values"
    return Architectures(
        space, space.parse(strings), (f"{said}: {words}" if said else f"a space of {words}",)
    )


def _extent(space: Space) -> str:
    least, most = min(space.cardinalities), max(space.cardinalities)
    return str(least) if least == most else f"{least} to {most}"


def _unknown(strings: Sequence[str], name: str, where: str) -> Architectures:
    """Architectures of no known space; what could be one is asked for."""
    darts = is_darts(strings)
    if _six_of_five(strings):
        raise SchemaError(
            f"{where} holds six numbers from 0 to 4, such as {strings[0]!r}: cells of "
            f"NAS-Bench-201, or choices of your own? Say it: convention naslib "
            f"({CONVENTIONS['naslib']}), convention codes with space nb201 "
            f"({CONVENTIONS['codes']}), or space own; on the command line --convention and "
            "--space, in a schema keys of [[table]]"
        )
    try:
        if _are_digits(strings):
            found = _by_digit(strings, name, where)
            return Architectures(found.space, found.codes, (*found.said, *_hints(strings)))
        found = _own(strings, name, "no space that is known here")
    except SchemaError as error:
        if not darts:
            raise
        raise SchemaError(f"{where}: {_DARTS_SAID}: {error}") from None
    said = (*([_DARTS_SAID] if darts else []), *found.said, *_hints(strings))
    return Architectures(found.space, found.codes, said)


def _hints(strings: Sequence[str]) -> list[str]:
    """What to say of strings that name the choices of a known space, in an order unknown."""
    sample = list(dict.fromkeys(strings))[:_SAMPLE]
    for name in space_names():
        space = make_space(name)
        if not space.recognised and mostly(np.array([_reads(space, text) for text in sample])):
            return [f"they could be those of space {name}: if they are, say so by --space {name}"]
        if mostly(np.array([_reads(space, text) for text in _by_choices(space, sample)])):
            order = ", ".join(space.variables)
            said = f"its words are choices of {name}: if they stand in the order {order}, say so"
            return [f"{said} by --space {name}"]
    return []


_DARTS_SAID = (
    "these are genotypes as of DARTS, but of no space that is known here (darts, darts-none): each "
    "word that varies is taken as an independent choice"
)


def _six_of_five(strings: Sequence[str]) -> bool:
    """Whether every string is six numbers, as cells of NAS-Bench-201 are numbered."""
    seen: set[int] = set()
    for string in strings:
        if re.search(r"[^\W\d_]", string):
            return False
        words = re.findall(r"\d+", string)
        if len(words) == 1:
            words = list(words[0])
        if len(words) != 6:
            return False
        seen |= {int(word) for word in words}
    return bool(seen) and max(seen) == 4


def _are_digits(strings: Sequence[str]) -> bool:
    """Whether strings are digits that each are a choice.

    Raises
    ------
    SchemaError
        If they may be numbers or names of architectures as well.
    """
    if not all(string.isdecimal() for string in strings):
        return False
    sizes = {len(string) for string in strings}
    if sizes == {1}:
        return False
    if len(sizes) == 1 and any(string[0] == "0" for string in strings):
        return True
    shown = min(strings, key=len)
    raise SchemaError(
        f"architectures are single numbers, such as {shown!r}: if every digit is a choice, write "
        "them with the zeros in front (as text, of one length) or say convention digits; if not, "
        "separate the choices, as in 0-1-2, or say space own for one choice"
    )
