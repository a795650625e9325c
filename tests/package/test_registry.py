"""nasurge.registry: what lists say without importing a class is what the classes say."""

import configparser
import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from nasurge.cli import app
from nasurge.data.plugins import first_line, import_place
from nasurge.data.sources.names import SOURCES
from nasurge.data.spaces import SPACES, make_space
from nasurge.errors import UnknownNameError
from nasurge.predictors.names import PREDICTORS, ListedPredictor
from nasurge.registry import (
    can_be_guided,
    make_predictor,
    predictor_class,
    searcher_class,
    takes_objectives,
)
from nasurge.search.methods import PREDICTING, SEARCHING, ListedMethod
from nasurge.search.searchers.names import SEARCHERS, ListedSearcher

CFG = configparser.ConfigParser(interpolation=None)
CFG.read(Path(__file__).resolve().parent.parent.parent / "setup.cfg")
EXTRAS = CFG["options.extras_require"]


@pytest.mark.parametrize("entry", PREDICTORS.values(), ids=PREDICTORS)
def test_the_entry_of_a_predictor_says_what_its_class_says(entry: ListedPredictor) -> None:
    cls = predictor_class(entry.name)
    assert entry.summary == first_line(cls)
    assert entry.fewest == cls.minimum_labels
    assert entry.std == cls.offers_std
    extra = re.search(r"Needs the extra ``(\w+)``", cls.__doc__ or "")
    assert entry.extra == (extra[1] if extra else "")
    assert entry.extra in {"", *EXTRAS}


@pytest.mark.parametrize("entry", PREDICTORS.values(), ids=PREDICTORS)
def test_a_predictor_serves_every_space_that_offers_what_it_needs(entry: ListedPredictor) -> None:
    for name in ("nb201", "nbgraph", "mobile"):
        space = make_space(name)
        refusal = make_predictor(entry.name, space).refusal
        offered = {"": True, "networks": space.networks is not None}.get(entry.needs, False)
        assert (refusal is None) == offered, f"{entry.name} needs {entry.needs!r}: {refusal}"


@pytest.mark.parametrize("entry", SEARCHERS.values(), ids=SEARCHERS)
def test_the_entry_of_a_searcher_says_what_its_class_says(entry: ListedSearcher) -> None:
    cls = searcher_class(entry.name)
    assert entry.summary == first_line(cls)
    assert entry.several_objectives == cls.several_objectives == takes_objectives(entry.name)
    guided = inspect.signature(searcher_class(entry.name, guided=True)).parameters
    assert entry.guided == ("predictor" in guided) == can_be_guided(entry.name)


@pytest.mark.parametrize("name", [*SPACES, *SOURCES])
def test_the_entry_of_a_space_or_format_says_what_it_says_itself(name: str) -> None:
    entry = (SPACES | SOURCES)[name]
    assert entry.summary == first_line(import_place(entry.place))
    assert name not in SPACES or make_space(name).name == name


@pytest.mark.parametrize("method", {m.usage: m for m in (*PREDICTING, *SEARCHING)}.values())
def test_a_method_names_a_command_and_its_option(method: ListedMethod) -> None:
    command, _, option = method.usage.partition(" --")
    found = CliRunner().invoke(app, [*command.split()[1:], "--help"])
    assert found.exit_code == 0
    assert option in found.stdout


@pytest.mark.parametrize("command", ["predictors", "searchers", "import --help"])
def test_a_list_imports_nothing_heavy(command: str) -> None:
    heavy = "numpy", "torch", "sklearn", "xgboost", "pandas", "scipy", "optuna", "matplotlib"
    code = (
        f"import sys; from nasurge.cli import app; app({command.split()}, standalone_mode=False);"
        f"print([m for m in {heavy} if m in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stderr.strip() == "[]"


def test_an_unknown_name_says_what_there_is() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'gp'"):
        make_predictor("gpp", make_space("nb201"))
