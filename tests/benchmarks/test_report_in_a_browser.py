"""Reports of several kinds of study in a real browser: read, sorted, pointed at and printed."""

from __future__ import annotations

import json
import re
import shutil
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pypdf
import pytest
from playwright.sync_api import sync_playwright

import nasurge
from nasurge.benchmarks.studies import TableStudy
from nasurge.benchmarks.studies.options import BuildOptions
from nasurge.benchmarks.training import Recipe
from nasurge.data.images import load_images
from nasurge.data.spaces import make_space
from nasurge.data.tables import Table
from nasurge.meta import meta_study
from nasurge.registry import study_of_folder
from nasurge.search.studies import LatencyOptions, LatencyStudy

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or ""
pytestmark = pytest.mark.skipif(not BROWSER, reason="no Chromium is installed")
OLD = Path(__file__).parent.parent / "old" / "v0" / "studies"
KEPT = {
    "few-shot": "meta-few-shot",
    "transfer": "meta-transfer",
    "verify": "verify",
    "warm": "warm",
}
"""Kinds whose rows the first version made; their reports are written anew."""
KINDS = ("compare", "fronts", "search", "tables", "build", "latency", *KEPT)
NARROW, BROAD = {"width": 400, "height": 800}, {"width": 1280, "height": 900}


@pytest.fixture(scope="module")
def folders(nbgraph: Table, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root, shared = tmp_path_factory.mktemp("reports"), {"jobs": 1}
    nasurge.compare(
        "nbgraph/cora,nbgraph/proteins",
        "ridge,gp",
        n_train=(20, 40),
        trials=5,
        out=root / "compare",
        command="nasurge compare",
        **shared,
    )
    few = {"budget": 25, "trials": 5, "batch": 5, **shared}
    named = {"objectives": "accuracy,latency", "searcher": "nsga2"}
    nasurge.search("nbgraph/cora", out=root / "fronts", **named, **few)
    nasurge.search("nbgraph/cora", searcher="evolution", out=root / "search", **few)
    meta_study("nbgraph", "evolution", out=root / "tables", budget=5, trials=2, **shared)
    options = {
        "space": make_space("nb201"),
        "images": load_images("digits", limit=60),
        "recipe": Recipe(epochs=1, width=2, batch_size=30, shift=0),
        "architectures": 5,
        "device": "cpu",
    }
    TableStudy(BuildOptions("seen", out=root / "build", **options, **shared)).run()
    rng, rows = np.random.default_rng(0), len(nasurge.load_table("nb201-digits"))
    np.savez(root / "latencies.npz", **{f"device {k}": rng.uniform(1, 2, rows) for k in range(4)})
    few = {"devices": ("device 0", "device 1"), "measurements": (5, 8), "trials": 2}
    place = {"file": root / "latencies.npz", "table": "nb201-digits", "out": root / "latency"}
    LatencyStudy(LatencyOptions(**place, **few, **shared)).run()
    for kind, name in KEPT.items():
        shutil.copytree(OLD / name, root / kind)
        study_of_folder(root / kind).report(root / kind)
    return {kind: root / kind for kind in KINDS}


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with sync_playwright() as play:
        opened = play.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        yield opened
        opened.close()


class Seen:
    """A page and what its browser complained of."""

    def __init__(self, browser: Any, folder: Path, **context: Any) -> None:
        self.context = browser.new_context(**{"viewport": BROAD, **context})
        self.page = self.context.new_page()
        self.faults: list[str] = []
        self.page.on("console", lambda message: self.faults.append(message.text))
        self.page.on("pageerror", lambda error: self.faults.append(str(error)))
        self.page.on("request", lambda request: self._requested(request.url))
        self.page.goto((folder / "report.html").as_uri())

    def _requested(self, url: str) -> None:
        if not url.startswith(("data:", "file:")) or not url.endswith("report.html"):
            self.faults.append(url)

    def __enter__(self) -> Any:
        return self.page

    def __exit__(self, *_: object) -> None:
        self.context.close()
        assert self.faults == []


@pytest.mark.parametrize("viewport", [NARROW, BROAD], ids=["400", "1280"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_report_is_readable_at_any_width(folders, browser, kind: str, viewport: Any) -> None:
    with Seen(browser, folders[kind], viewport=viewport) as page:
        assert page.evaluate("document.documentElement.scrollWidth") <= viewport["width"]
        letters = page.evaluate(
            """[...document.querySelectorAll('figure svg text, td, th, p, li, dd')].filter(
                 (e) => e.textContent.trim() && e.getClientRects().length).map((e) => {
                 const scale = e.ownerSVGElement ? e.getScreenCTM().a : 1;
                 const up = e.getScreenCTM ? Math.hypot(e.getScreenCTM().a, e.getScreenCTM().b) : 1;
                 return (e.ownerSVGElement ? up : scale) * parseFloat(getComputedStyle(e).fontSize);
               })"""
        )
        assert min(letters) >= 10
        boxes = page.locator(".scroll")
        for number in range(boxes.count()):
            wider = boxes.nth(number).evaluate("(e) => e.scrollWidth > e.clientWidth + 1")
            hints = page.locator(".table").nth(number).get_attribute("data-more")
            assert hints == ("right" if wider else None)


def test_first_columns_stay_when_a_table_is_scrolled(folders, browser) -> None:
    with Seen(browser, folders["compare"], viewport=NARROW) as page:
        scroll = page.locator(".scroll").first
        scroll.evaluate("(e) => { e.scrollLeft = 200 }")
        page.locator(".table[data-more~='left']").first.wait_for()
        edge = scroll.bounding_box()["x"]
        first = scroll.locator("tbody th").first.bounding_box()
        last = scroll.locator("tbody tr").first.locator("td").nth(3).bounding_box()
        assert first["x"] == pytest.approx(edge, abs=2)
        assert last["x"] < first["x"] + first["width"] + 200


def test_marks_are_what_the_data_say(folders, browser) -> None:
    with Seen(browser, folders["compare"]) as page:
        taus = page.locator("[data-name='tau-by-size'] .mark")
        assert taus.count() == 2 * 2 * 2, "tasks, predictors, sizes"
        assert page.locator("[data-name='tau-by-size'] svg").count() == 2
    rows = pd.read_parquet(folders["fronts"] / "rows.parquet")
    with Seen(browser, folders["fronts"]) as page:
        marks = page.locator("[data-name='fronts'] .mark")
        names = [marks.nth(k).get_attribute("aria-label") for k in range(marks.count())]
        assert {name.split(": ")[0] for name in names} == {"random", "nsga2"}
        assert {name.split(": ")[1] for name in names} <= set(rows["architecture"])
        assert 0 < page.locator("[data-name='found'] svg").count() <= 6
    with Seen(browser, folders["tables"]) as page:
        assert page.locator("[data-name='tasks-nbgraph'] .mark").count() == 9 + 9 * 8 // 2
    with Seen(browser, folders["latency"]) as page:
        assert page.locator("[data-name='by-measurements'] .mark").count() == 5 * 2
        assert page.locator("[data-name='by-device'] .mark").count() == 5 * 2
        assert page.locator("[data-name^='predictions'] svg").count() == 5 * 2
    with Seen(browser, folders["build"]) as page:
        assert page.locator("[data-name='accuracies'] svg").count() == 4
    rows = json.loads((folders["verify"] / "summary.json").read_text())["architectures"]
    with Seen(browser, folders["verify"]) as page:
        assert page.locator("[data-name='retrained'] .mark").count() == 2 * len(rows)
    for kind in KINDS:
        with Seen(browser, folders[kind]) as page:
            assert page.locator("figure svg").count(), kind
            for svg in page.locator("figure svg").all():
                assert svg.locator("> title").text_content().strip()
                assert svg.locator("> desc").text_content().strip()
                assert svg.get_attribute("role") in ("img", "group")


def column(page: Any, table: int, number: int) -> list[str]:
    """Texts of a column of a table."""
    rows = page.locator("table").nth(table).locator("tbody tr")
    return [rows.nth(k).locator("th, td").nth(number).inner_text() for k in range(rows.count())]


def test_tables_are_sorted_by_click_and_by_keyboard(folders, browser) -> None:
    with Seen(browser, folders["compare"]) as page:
        head = page.locator("table").first.locator("thead th").nth(3)
        assert "Kendall tau" in head.inner_text()
        delivered = column(page, 0, 3)
        assert head.get_attribute("aria-sort") is None
        assert head.get_attribute("scope") == "col"
        numbers = [float(re.match(r"-?[\d.]+", text)[0]) for text in delivered]
        assert numbers != sorted(numbers)
        head.get_by_role("button").click()
        assert head.get_attribute("aria-sort") == "descending"
        shown = [float(text.split()[0]) for text in column(page, 0, 3)]
        assert shown == sorted(numbers, reverse=True)
        head.get_by_role("button").focus()
        page.keyboard.press("Enter")
        assert head.get_attribute("aria-sort") == "ascending"
        assert [float(text.split()[0]) for text in column(page, 0, 3)] == sorted(numbers)
        page.keyboard.press("Space")
        assert head.get_attribute("aria-sort") is None
        assert column(page, 0, 3) == delivered
        name = page.locator("table").first.locator("thead th").nth(1)
        name.get_by_role("button").click()
        assert column(page, 0, 1) == sorted(column(page, 0, 1))
        assert page.locator("#said").inner_text() == "Sorted by predictor, ascending"


def test_what_is_undefined_comes_last(tmp_path: Path, browser) -> None:
    from nasurge.benchmarks.studies import Page, Section, render

    cells = ["0.5 [0.4, 0.6]", "undefined", ">12.0", "-3.0", "1,000 [9, 1,100]", "1e-5"]
    rows = [[f"row {k}", cell] for k, cell in enumerate(cells)]
    page = Page("lead", [Section("numbers", columns=("name", "value"), rows=rows)], {})
    render(tmp_path / "report.html", page, title="t", command="")
    with Seen(browser, tmp_path) as shown:
        button = shown.locator("thead button").nth(1)
        button.click()
        ordered = [">12.0", "0.5 [0.4, 0.6]", "1e-5", "-3.0", "undefined"]
        assert column(shown, 0, 1) == ["1,000 [9, 1,100]", *ordered]
        button.click()
        assert column(shown, 0, 1)[-1] == "undefined"


def luminance(colour: str) -> float:
    """Relative luminance of a CSS colour, after the web's guidelines."""
    parts = [int(part) / 255 for part in re.findall(r"\d+", colour)[:3]]
    linear = [p / 12.92 if p <= 0.03928 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return sum(w * p for w, p in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def contrast(one: str, two: str) -> float:
    low, high = sorted((luminance(one), luminance(two)))
    return (high + 0.05) / (low + 0.05)


def colours_of(page: Any) -> dict[str, str]:
    return page.evaluate(
        """() => {
          const css = (s, k) => getComputedStyle(document.querySelector(s))[k];
          const lines = {};
          const probe = document.body.appendChild(document.createElement('i'));
          for (let k = 0; k < 8; k += 1) {
            probe.style.color = `var(--line-${k})`;
            lines[`line ${k}`] = getComputedStyle(probe).color;
          }
          probe.remove();
          return {page: css('body', 'backgroundColor'), text: css('body', 'color'),
            note: css('.note', 'color'), chart: css('figure svg text', 'fill'),
            link: css('nav a', 'color'), ...lines};
        }"""
    )


def test_light_and_dark_differ_and_both_can_be_read(folders, browser) -> None:
    found = {}
    for scheme in ("light", "dark"):
        with Seen(browser, folders["compare"], color_scheme=scheme) as page:
            found[scheme] = colours_of(page)
            for name, colour in found[scheme].items():
                least = 3 if name.startswith("line") else 4.5
                assert name == "page" or contrast(colour, found[scheme]["page"]) >= least, name
    assert luminance(found["light"]["page"]) > 0.8
    assert luminance(found["dark"]["page"]) < 0.05
    assert found["light"]["chart"] != found["dark"]["chart"]
    with Seen(browser, folders["compare"], color_scheme="light") as page:
        button = page.locator("#theme")
        button.click()
        button.click()
        assert colours_of(page) == found["dark"]
        page.reload()
        assert colours_of(page) == found["dark"], "the choice is kept"


def test_a_mark_says_what_it_is_to_mouse_and_keyboard(folders, browser) -> None:
    with Seen(browser, folders["fronts"]) as page:
        marks, tip = page.locator("[data-name='fronts'] .mark"), page.locator("#tip")
        assert not tip.is_visible()
        marks.first.hover(force=True)
        architectures = set(pd.read_parquet(folders["fronts"] / "rows.parquet")["architecture"])
        assert any(name in tip.inner_text() for name in architectures)
        assert "accuracy" in tip.inner_text()
        page.mouse.move(0, 0)
        assert not tip.is_visible()
        marks.first.focus()
        before = tip.inner_text()
        page.keyboard.press("ArrowRight")
        assert tip.is_visible()
        assert marks.nth(1).evaluate("(e) => e === document.activeElement")
        assert before
        page.keyboard.press("Escape")
        assert not tip.is_visible()
        assert page.locator("[data-name='fronts'] .mark[tabindex='0']").count() == 1


def test_words_lead_to_what_they_mean(folders, browser) -> None:
    for kind in KINDS:
        with Seen(browser, folders[kind]) as page:
            links = page.locator("a.term, a.word")
            for href in links.evaluate_all("(all) => all.map((a) => a.hash)"):
                assert page.locator(f"dt{href} + dd").count() == 1
            defined = page.locator("dl.terms dt").evaluate_all(
                "(all) => all.map((e) => '#' + e.id)"
            )
            assert set(defined) == set(links.evaluate_all("(all) => all.map((a) => a.hash)"))
    with Seen(browser, folders["compare"]) as page:
        page.locator("a.word").first.focus()
        assert page.locator("#tip").is_visible()


def test_headings_and_landmarks_are_in_order(folders, browser) -> None:
    for kind in KINDS:
        with Seen(browser, folders[kind]) as page:
            levels = page.locator("h1, h2, h3").evaluate_all("(all) => all.map((e) => e.tagName)")
            assert levels[0] == "H1"
            assert set(levels[1:]) == {"H2"}
            for tag in ("header", "nav", "main", "html[lang=en]"):
                assert page.locator(tag).count() == 1
            page.keyboard.press("Tab")
            assert page.evaluate("document.activeElement.hash") == "#main"
            for table in page.locator("table").all():
                assert table.locator("caption").text_content()
                assert table.locator("tbody tr > :first-child[scope=row]").count() > 0


@pytest.mark.parametrize("kind", KINDS)
def test_a_print_has_every_number(folders, browser, kind: str, tmp_path: Path) -> None:
    with Seen(browser, folders[kind], color_scheme="dark") as page:
        cells = page.locator("tbody td.number, thead th").evaluate_all(
            "(all) => all.map((e) => (e.querySelector('.sort') || e).textContent)"
        )
        page.pdf(path=tmp_path / "print.pdf", prefer_css_page_size=True, print_background=True)
        page.emulate_media(media="print", color_scheme="dark")
        paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert luminance(paper) > 0.8
    pages = pypdf.PdfReader(tmp_path / "print.pdf").pages
    outside, text = [], []
    for sheet in pages:
        width = float(sheet.mediabox.width)

        def visit(part: str, cm: Any, tm: Any, *_: Any, width: float = width) -> None:
            x = tm[4] * cm[0] + tm[5] * cm[2] + cm[4]
            if part.strip() and not 0 < x < width:
                outside.append(part)

        text.append(sheet.extract_text(visitor_text=visit))
    words = re.sub(r"\s+", "", unicodedata.normalize("NFKC", "".join(text)))
    assert not [cell for cell in cells if re.sub(r"\s+", "", cell) not in words]
    assert not outside


def test_a_report_is_one_small_file(folders) -> None:
    for kind in KINDS:
        text = (folders[kind] / "report.html").read_text()
        assert len(text.encode()) < 1_000_000
        assert not re.search(r'(?:src|href)="(?!#|data:)', text)
