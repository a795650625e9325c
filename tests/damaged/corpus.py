"""Damaged and hostile files for every reader, made anew from a seed."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from cases import Case, Corpus
from foreign import arrays, images, tables
from ours import learnt, searches, studies

GROUPS: dict[str, Callable[[Corpus], Iterator[Case]]] = {
    "tables": tables,
    "images": images,
    "arrays": arrays,
    "learnt": learnt,
    "studies": studies,
    "searches": searches,
}
