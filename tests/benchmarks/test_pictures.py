"""Pictures as objects: drawn at any width, and as elements of a page."""

import re
from xml.etree import ElementTree

import numpy as np
import pytest
from matplotlib.axes import Axes

from nasurge.benchmarks.studies import COLOURS, Key, Panel, Picture, scatter_named, to_svg
from nasurge.benchmarks.studies.panels import markers
from nasurge.benchmarks.studies.svg import page_svg

SVG = "{http://www.w3.org/2000/svg}"


def draw(axis: Axes) -> None:
    axis.plot([0, 1, 2], [0.0, 2.0, 1.0], color=COLOURS[0])
    axis.plot([0, 2], [0, 0], color="black")
    scatter_named(axis, [0, 1, 2], [0.0, 2.0, np.nan], ["first", "second", "no number"])
    axis.set(xlabel="label of x")


@pytest.fixture
def picture() -> Picture:
    panels = [Panel(f"panel {k}", f"words {k}", draw) for k in range(4)]
    return Picture("file-stem", "what it shows", panels, [Key("a line", COLOURS[0], ":")])


def page(picture: Picture, width: float = 4.4) -> ElementTree.Element:
    figure = picture.figures(width)[0]
    text = page_svg(figure, title="the title", description="the words", prefix="x-")
    return ElementTree.fromstring(text)  # noqa: S314 -- made on the line before


def test_a_picture_is_drawn_at_the_width_asked_for(picture) -> None:
    for figure in picture.figures(3.3, size=7.0):
        assert figure.get_size_inches() == pytest.approx([3.3, 0.75 * 3.3])
        assert figure.axes[0].xaxis.label.get_fontsize() == 7.0
        assert not figure.axes[0].get_title()
    for width, rows in ((3.3, 4), (6.0, 2), (10.0, 2)):
        sheet = picture.sheet(width)
        assert sheet.get_size_inches()[0] == pytest.approx(width)
        visible = [axes for axes in sheet.axes if axes.get_visible()]
        assert [axes.get_title() for axes in visible] == [f"panel {k}" for k in range(4)]
        assert visible[0].get_gridspec().nrows == rows
        assert [text.get_text() for text in sheet.legends[0].get_texts()] == ["a line"]
    assert picture.description.startswith("panel 0: words 0 panel 1:")


def test_the_same_picture_gives_the_same_bytes(picture) -> None:
    assert to_svg(picture.sheet()) == to_svg(picture.sheet())


def test_an_element_of_a_page_says_what_it_shows(picture) -> None:
    root = page(picture)
    title, description = root[0], root[1]
    assert (title.text, description.text) == ("the title", "the words")
    assert root.get("aria-labelledby") == title.get("id") == "x-title"
    assert root.get("aria-describedby") == description.get("id")
    marks = [e for e in root.iter(f"{SVG}use") if e.get("class") == "mark"]
    assert [mark.findtext(f"{SVG}title") for mark in marks] == ["first", "second"]
    assert root.get("width") is None
    texts = [text.text for text in root.iter(f"{SVG}text")]
    assert "label of x" in texts


def test_an_element_takes_the_colours_of_its_page(picture) -> None:
    root = page(picture)
    styles = [element.get("style", "") for element in root.iter()]
    assert not any("#000000" in style or "font-family" in style for style in styles)
    assert any("stroke:currentColor" in style for style in styles)
    assert any(f"stroke:var(--line-0, {COLOURS[0]})" in style for style in styles)
    assert not list(root.iter(f"{SVG}style"))


def test_a_cloud_is_one_path_in_a_colour_of_the_page() -> None:
    def cloud(axis: Axes) -> None:
        axis.scatter(np.arange(500), np.arange(500), s=9, color=COLOURS[1], rasterized=True)

    root = page(Picture("cloud", "", [Panel("", "", cloud)]))
    assert not list(root.iter(f"{SVG}image"))
    [path] = [e for e in root.iter(f"{SVG}path") if e.get("d", "").count("M") == 500]
    assert f"stroke:var(--line-1, {COLOURS[1]})" in path.get("style", "")
    assert "stroke-width:3.00" in path.get("style", "")


def test_identifiers_are_those_of_one_element(picture) -> None:
    text = ElementTree.tostring(page(picture), encoding="unicode")
    identifiers = re.findall(r' id="([^"]+)"', text)
    assert len(set(identifiers)) == len(identifiers)
    assert all(identifier.startswith("x-") for identifier in identifiers)
    assert set(re.findall(r'(?:href="|url\()#([\w-]+)', text)) <= set(identifiers)


def test_many_names_are_told_apart() -> None:
    names = [f"predictor {k}" for k in range(64)]
    of = markers(names)
    assert len({(COLOURS[k % len(COLOURS)], of[name]) for k, name in enumerate(names)}) == 64
