"""Terms of reports: written once, found in headings and sentences, shown where they are used."""

from __future__ import annotations

from pathlib import Path

import pytest

from nasurge.benchmarks.metrics import METRICS
from nasurge.benchmarks.studies import Page, Section, render
from nasurge.benchmarks.studies.rendering import sort_key
from nasurge.benchmarks.studies.terms import Glossary, read_terms
from nasurge.search.studies import FrontsStudy, SearchStudy

PAGE = Path(__file__).parents[2] / "docs" / "guide" / "how-to" / "read-a-report.md"


def test_a_heading_and_a_word_have_one_meaning() -> None:
    for key in ("columns", "words"):
        found = [name.lower() for term in read_terms() for name in getattr(term, key)]
        assert len(set(found)) == len(found)
    anchors = [term.anchor for term in read_terms()]
    assert len(set(anchors)) == len(anchors)


@pytest.mark.parametrize(
    "headings",
    [
        [metric.heading for metric in METRICS.values() if metric.heading],
        SearchStudy.headings,
        [name for name in FrontsStudy.headings if name != "front"],
    ],
    ids=["compare", "search", "fronts"],
)
def test_every_measure_of_a_table_is_explained(headings: list[str]) -> None:
    glossary = Glossary()
    assert all(glossary.of_column(name) for name in headings)
    assert len(glossary.used) == len(headings)


def test_the_docs_show_every_term_and_repeat_none() -> None:
    text = PAGE.read_text(encoding="utf-8")
    for term in read_terms():
        assert f"generated/terms-{term.page.replace(' ', '-')}.md" in text
        assert term.text not in text


def test_a_report_explains_what_it_uses_and_nothing_else(tmp_path: Path) -> None:
    rows = [["a", "0.5"]]
    section = Section("s", "Mean regret over trials.", (), ("name", "Kendall tau"), rows)
    text = render(
        tmp_path / "r.html", Page("A lead.", [section], {}), title="t", command=""
    ).read_text()
    for anchor in ("term-regret", "term-kendall-tau", "term-trial"):
        assert text.count(f'id="{anchor}"') == 1
        assert text.count(f'href="#{anchor}"') == 1
    assert "term-hypervolume" not in text


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("-0.215 [-0.813, 0.603]", -0.215),
        ("0.81, 0.83", 0.82),
        (">21.0 [21.0, 21.0]", 21),
        ("14,672", 14672),
        ("3,000.5", 3000.5),
        ("1.38e-05", 1.38e-5),
        ("0%", 0),
        ("12.3/40", 12.3),
        ("5/0/0", 5),
        ("", None),
        ("undefined", None),
        ("nb201-analog/cifar10", None),
        ("|nor_conv_3x3~0|", None),
        ("3x3", None),
        ("2|16|a", None),
    ],
)
def test_a_cell_is_sorted_by_its_number(text: str, number: float | None) -> None:
    assert sort_key(text) == (number if number is None else pytest.approx(number))
