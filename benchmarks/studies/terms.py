"""Words of reports and what they mean: read from one file, linked where they are used."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from markupsafe import Markup, escape


@dataclass(frozen=True)
class Word:
    """A word of reports."""

    name: str
    text: str
    """What it means, beginning small."""
    page: str
    """Kind of report that uses it."""
    columns: tuple[str, ...] = ()
    """Headings of tables that it explains."""
    words: tuple[str, ...] = ()
    """How it is called in sentences."""
    better: str = ""
    """``bigger``, ``smaller`` or nothing."""

    @property
    def anchor(self) -> str:
        """Identifier of its explanation."""
        return "term-" + re.sub(r"[^a-z0-9]+", "-", self.name.lower()).strip("-")

    @property
    def sentence(self) -> str:
        """What it means, as a sentence without markup."""
        said = re.sub("[*`]", "", self.text)
        better = f" {self.better.capitalize()} is better." if self.better else ""
        return f"{said[0].upper()}{said[1:]}.{better}"


@cache
def read_terms() -> tuple[Word, ...]:
    """Every term, in the order of the file."""
    text = files("nasurge.benchmarks").joinpath("templates/terms.toml").read_text(encoding="utf-8")
    return tuple(_term(entry) for entry in tomllib.loads(text)["term"])


def _term(entry: dict[str, Any]) -> Word:
    """Word of an entry of the file."""
    lists = {key: tuple(entry.get(key, ())) for key in ("columns", "words")}
    return Word(**{**entry, **lists})


class Glossary:
    """Terms that a report has used so far."""

    def __init__(self) -> None:
        self._used: set[str] = set()

    @property
    def used(self) -> list[Word]:
        """Those of it, in the order of all."""
        return [term for term in read_terms() if term.name in self._used]

    def of_column(self, heading: str) -> Word | None:
        """Word that explains a column; None if there is none."""
        for term in read_terms():
            if heading in term.columns:
                self._used.add(term.name)
                return term
        return None

    def linked(self, text: str) -> Markup:
        """Sentence with a link at the first use of each term.

        Examples
        --------
        >>> glossary = Glossary()
        >>> str(glossary.linked("Regret < 1, regret < 2."))
        '<a class="word" href="#term-regret">Regret</a> &lt; 1, regret &lt; 2.'
        >>> [term.name for term in glossary.used]
        ['regret']
        """
        found, pattern = _pattern()
        seen: set[str] = set()
        parts, end = [], 0
        for match in pattern.finditer(text):
            term = found[match[0].lower()]
            if term.name in seen:
                continue
            seen.add(term.name)
            parts.append(escape(text[end : match.start()]))
            link = Markup('<a class="word" href="#{}">{}</a>')
            parts.append(link.format(term.anchor, match[0]))
            end = match.end()
        self._used |= seen
        return Markup("").join([*parts, escape(text[end:])])


@cache
def _pattern() -> tuple[dict[str, Word], re.Pattern[str]]:
    """Word of each word, and what finds the words, long ones first."""
    found = {word.lower(): term for term in read_terms() for word in term.words}
    longest: Sequence[str] = sorted(found, key=len, reverse=True)
    choice = "|".join(map(re.escape, longest))
    return found, re.compile(rf"(?<![\w-])(?:{choice})(?![\w-])", re.IGNORECASE)
