"""Figures as SVG text: files, and elements of a page that follow its colours and can be read."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING
from xml.etree import ElementTree as Tree

import numpy as np

from .panels import COLOURS, INK, names_of_points

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_SVG, _XLINK = "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"
_UNPRINTABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
_POINTS = (f"{{{_SVG}}}use", f"{{{_SVG}}}path")
_FILL = ("fill", "fill-opacity")
_REFERENCE = re.compile(r"#([\w-]+)")
_LONG = re.compile(r"-?\d+\.\d{2,}")

# Colour in a drawing to that of a page, which has one for light and one for dark.
_ON_PAGES = {INK: "currentColor"} | {c: f"var(--line-{k}, {c})" for k, c in enumerate(COLOURS)}


def to_svg(figure: Figure) -> str:
    """Figure as an ``<svg>`` element, which is a file too."""
    import matplotlib as mpl

    buffer = io.StringIO()
    # Text stays text: who shows it may have letters that matplotlib's font lacks.
    # A fixed salt and no date: the same results give the same bytes.
    text_kept = mpl.rc_context({"svg.hashsalt": "nasurge", "svg.fonttype": "none"})
    with text_kept, warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from font", UserWarning)
        figure.savefig(buffer, format="svg", dpi=110, metadata={"Date": None})
    text = buffer.getvalue()
    return printable_text(text[text.index("<svg") :])


def printable_text(text: str) -> str:
    """Text without characters that XML does not have.

    Examples
    --------
    >>> len(printable_text(chr(27) + "[31m")), printable_text("a < b")
    (5, 'a < b')
    """
    return _UNPRINTABLE.sub("\N{REPLACEMENT CHARACTER}", text)


def page_svg(figure: Figure, *, title: str, description: str, prefix: str) -> str:
    """Figure as an element of a page: named, in the page's colours, its named points marked.

    Parameters
    ----------
    figure : Figure
    title, description : str
        What is read to somebody who does not see it.
    prefix : str
        Beginning of the identifiers in it, which no other element of the page has.
    """
    from matplotlib.collections import PathCollection

    named = [a for a in figure.findobj() if names_of_points(a)]
    for number, artist in enumerate(named):
        artist.set_gid(f"points-{number}")
    clouds = [a for a in figure.findobj(PathCollection) if a.get_rasterized()]
    for number, cloud in enumerate(clouds):
        cloud.set_gid(f"cloud-{number}")
        cloud.set_rasterized(False)
    for patch in (figure.patch, *(axes.patch for axes in figure.axes)):
        patch.set_visible(False)
    Tree.register_namespace("", _SVG)
    root = Tree.fromstring(to_svg(figure))  # noqa: S314 -- written by matplotlib just now
    for number, artist in enumerate(named):
        _mark(root, f"points-{number}", names_of_points(artist))
    for number, cloud in enumerate(clouds):
        _gather(root, f"cloud-{number}", float(np.sqrt(cloud.get_sizes()[0])))
    _follow_page(root)
    _rename(root, prefix)
    root.attrib.pop("width")
    root.attrib.pop("height")
    # Elements that can be focused must not be inside of what is one image.
    role = "group" if named else "img"
    root.attrib |= {"role": role, "aria-labelledby": f"{prefix}title"}
    root.set("aria-describedby", f"{prefix}desc")
    for name, text in (("desc", description), ("title", title)):
        child = Tree.Element(f"{{{_SVG}}}{name}", {"id": prefix + name})
        child.text = printable_text(text)
        root.insert(0, child)
    return Tree.tostring(root, encoding="unicode")


def _mark(root: Tree.Element, identifier: str, names: Sequence[str]) -> None:
    """Give each point of a collection its name, and a place in the order of the keyboard."""
    # Few points are paths of their own, many are uses of one.
    group = f".//*[@id='{identifier}']"
    shapes = {shape for parent in root.findall(f"{group}//{{{_SVG}}}defs") for shape in parent}
    points = [e for e in root.findall(f"{group}//*") if e.tag in _POINTS and e not in shapes]
    for point, name in zip(points, names, strict=True):
        point.attrib |= {"class": "mark", "role": "img", "tabindex": "-1"}
        Tree.SubElement(point, f"{{{_SVG}}}title").text = printable_text(name)


def _gather(root: Tree.Element, identifier: str, size: float) -> None:
    """Make one path of many points: a dozen letters each, in colours that a page can change."""
    [group] = root.findall(f".//*[@id='{identifier}']")
    points = group.findall(f".//{{{_SVG}}}use")
    if not points:
        return
    [clip] = group.findall(f"{{{_SVG}}}g")
    fill, opacity = (
        re.findall(rf"(?:^|; ){key}: ([^;]+)", points[0].get("style", "")) for key in _FILL
    )
    style = f"fill: none; stroke: {fill[0]}; stroke-linecap: round; stroke-width: {size:.2f}"
    for point in points:
        clip.remove(point)
    Tree.SubElement(
        clip,
        f"{{{_SVG}}}path",
        {
            "d": "".join(f"M{point.get('x')} {point.get('y')}h0" for point in points),
            "style": f"{style}; stroke-opacity: {(opacity or ['1'])[0]}",
        },
    )


def _follow_page(root: Tree.Element) -> None:
    """Take colours and fonts from the page, and leave out what it does not show."""
    for parent in list(root.iter()):
        parent.text, parent.tail = (text and text.strip() for text in (parent.text, parent.tail))
        for child in list(parent):
            if child.tag.endswith(("metadata", "style")):
                parent.remove(child)
        if parent.tag.endswith("defs"):
            for shape in parent.findall(f"{{{_SVG}}}path"):
                shape.attrib.pop("style", None)  # each use of it has one
    for element in root.iter():
        if style := element.get("style"):
            rules = dict(rule.strip().split(": ", 1) for rule in style.split(";") if rule.strip())
            rules.pop("font-family", None)
            element.set("style", ";".join(f"{k}:{_ON_PAGES.get(v, v)}" for k, v in rules.items()))
        for key in ("d", "x", "y", "transform"):
            if value := element.get(key):
                short = _LONG.sub(lambda found: f"{float(found[0]):.1f}".removesuffix(".0"), value)
                element.set(key, " ".join(short.split()))


def _rename(root: Tree.Element, prefix: str) -> None:
    """Begin identifiers with a prefix; those that nothing refers to go."""
    keys = (f"{{{_XLINK}}}href", "clip-path")
    used = {
        name
        for element in root.iter()
        for key in keys
        for name in _REFERENCE.findall(element.get(key, ""))
    }
    for element in root.iter():
        if (identifier := element.attrib.pop("id", None)) in used:
            element.set("id", f"{prefix}{identifier}")
        for key in keys:
            if value := element.attrib.pop(key, None):
                name = key.removeprefix(f"{{{_XLINK}}}")
                element.set(name, _REFERENCE.sub(rf"#{prefix}\1", value))
