"""Pictures of spaces: every one can be drawn, and shows what its variables are."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import nasurge
from nasurge.cli import app
from nasurge.data.spaces import SPACES, Genotypes, NodeCell, Space, make_space
from nasurge.data.spaces.pictures import draw_space, groups_of


def stages() -> Space:
    """Ten stages of two to four layers: 91 variables."""
    layer = {"kernel": [3, 5, 7], "expand": nasurge.ordered(3, 4, 6)}
    parts = {f"stage{k}": nasurge.repeat(2, 3, 4, of=layer) for k in range(1, 11)}
    return Space({"resolution": range(128, 225, 32), **parts}, name="ten-stages")


OWN = {
    "stages": stages,
    "forty": lambda: Space({f"v{chr(97 + k % 26)}{'xyz'[k // 26]}": [*"abc"] for k in range(40)}),
    "odd": lambda: Space({"$x_1$": ["$a", "b{}"], "a\\b": [True, False], "one": ["é"]}),
    "node-cell": lambda: NodeCell(4, ["conv1x1", "max_pool", "none"]),
    "genotypes": lambda: Genotypes(3, ["conv", "none", "skip"], inputs=1, picks=1, cells=["one"]),
}


def texts(space: Space) -> list[str]:
    """Everything that is written in the picture of a space."""
    figure = space.plot()
    figure.draw_without_rendering()
    return [text.get_text() for axis in figure.axes for text in axis.texts]


@pytest.mark.parametrize("name", [*SPACES, *OWN])
def test_every_space_can_be_drawn(name: str) -> None:
    space = OWN[name]() if name in OWN else make_space(name)
    groups = groups_of(space)
    members = [k for group in groups for k in group.members]
    assert sorted(members) == list(range(space.n_variables))
    for group in groups:
        assert len({space.choices[k] for k in group.members}) == 1
    assert any(text.startswith(f"{space.name}: ") for text in texts(space))
    width, height = draw_space(space).get_size_inches()
    assert 0.5 < height < 14
    assert np.isclose(width, 10.3)


def test_many_alike_are_one_box_with_their_ranges_and_condition() -> None:
    written = texts(stages())
    assert "stage{1..10}_kernel_{1..4} (40)" in written
    assert "3 < 5 < 7" in written
    assert any("stage1_depth ≥ 3" in text for text in written)
    assert "stage" in written, "a frame around what repeats"


def test_few_have_a_box_each_and_conditions_are_said() -> None:
    space = Space(
        {
            "kind": ["conv", "attention"],
            "heads": nasurge.ordered(1, 2, 4, active={"kind": "attention"}),
            "window": nasurge.choice("global", "local", active="heads >= 2 or kind == conv"),
        },
        name="own",
    )
    written = " ".join(texts(space))
    assert "if kind = attention" in written
    assert "heads ≥ 2 or kind = conv" in written


def test_a_cell_has_its_edges() -> None:
    written = texts(make_space("nb201"))
    assert written.count("edge 0-3") == 2, "a box and an edge"
    assert {"input", "output"} <= set(written)


@pytest.mark.parametrize("kind", ["svg", "png", "pdf"])
def test_the_command_writes_it(kind: str, tmp_path: Path) -> None:
    path = tmp_path / f"space.{kind}"
    ran = CliRunner().invoke(app, ["space", "enas", "--picture", str(path), "--json"])
    assert ran.exit_code == 0, ran.output
    start = path.read_bytes()[:200]
    assert re.match({"svg": b"<\\?xml", "png": b"\x89PNG", "pdf": b"%PDF"}[kind], start)


def test_another_format_is_a_clear_error(tmp_path: Path) -> None:
    ran = CliRunner().invoke(app, ["space", "enas", "--picture", str(tmp_path / "space.bmp")])
    assert ran.exit_code == 2
    assert "FILE.svg, FILE.png or FILE.pdf" in ran.stderr


def test_the_flow_of_data_has_its_edges() -> None:
    graph = {
        "edges": [["input", "a"], ["input", "b"], ["join", "output"]],
        "opens": [["join", "0", "a"], ["join", "0+1", "a"], ["join", "0+1", "b"]],
    }
    values = {"a": ["x", "y"], "b": ["x", "y"], "join": ["0", "0+1"]}
    space = Space(values, name="wired", graph=graph)
    written = texts(space)
    assert {"input", "output"} <= set(written)
    assert written.count("join") == 2, "a box and a node"
    [axis] = [axis for axis in space.plot().axes if axis.get_title(loc="left")]
    assert "dashed: where it is chosen" in axis.get_title(loc="left")
    lines = [
        text.arrow_patch.get_linestyle() for text in axis.texts if getattr(text, "arrow_patch", 0)
    ]
    assert sorted(lines) == ["-", "-", "-", "--", "--"]


def test_a_flow_of_many_shortcuts_is_shown_without_them() -> None:
    names = [f"v{k}" for k in range(8)]
    every = [[a, b] for k, b in enumerate([*names, "output"]) for a in ["input", *names[:k]]]
    space = Space({name: ["x", "y"] for name in names}, name="dense", graph={"edges": every})
    [axis] = [axis for axis in space.plot().axes if axis.get_title(loc="left")]
    assert "without shortcuts" in axis.get_title(loc="left")
    assert sum(getattr(text, "arrow_patch", None) is not None for text in axis.texts) == 9
