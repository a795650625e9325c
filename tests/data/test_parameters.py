"""nasurge.data.parameters: constructors made of annotations, descriptions of parents."""

import inspect
from dataclasses import field

import pytest

from nasurge.data.arguments import argument
from nasurge.data.parameters import Estimator
from nasurge.data.types import Codes, Values
from nasurge.errors import ParameterError


class Model(Estimator):
    """A model.

    Parameters
    ----------
    space : str
        Where it is at home.
    width, depth : int
        Of its layers.
    seed : int
    """

    space: str = field(kw_only=False)
    width: int = 3
    depth: int = 2
    seed: int = 0


class Shallow(Model):
    """A model without depth.

    Parameters
    ----------
    width : int
        Of its layer.
    rate : float
        Of learning.
    """

    depth: int = field(default=0, init=False)
    rate: float = 0.1


class Written(Model):
    """A model with a constructor of its own."""

    def __init__(self, space: str, *, rounds: int = 1) -> None:
        self.space = space
        self.rounds = rounds


class More(Written):
    """A model whose parent wrote its constructor."""

    learnt_: float


def test_a_subclass_adds_parameters_changes_defaults_and_leaves_some_out() -> None:
    assert list(inspect.signature(Shallow).parameters) == ["space", "width", "seed", "rate"]
    model = Shallow("here", rate=0.5)
    assert vars(model) == {"space": "here", "width": 3, "seed": 0, "rate": 0.5}
    assert model.depth == 0
    with pytest.raises(TypeError, match="depth"):
        Shallow("here", depth=1)
    with pytest.raises(TypeError, match="positional"):
        Shallow("here", 4)


def test_models_are_compared_by_identity() -> None:
    assert Model("here") != Model("here")
    assert len({Model("here"), Model("here")}) == 2


@pytest.mark.parametrize("cls", [Written, More])
def test_a_constructor_that_was_written_is_kept(cls: type[Written]) -> None:
    assert list(inspect.signature(cls).parameters) == ["space", "rounds"]
    assert vars(cls("here", rounds=2)) == {"space": "here", "rounds": 2}


def test_parameters_are_described_once_in_the_words_of_the_nearest_and_the_oldest_last() -> None:
    assert inspect.cleandoc(Shallow.__doc__ or "").splitlines()[4:] == [
        "space : str",
        "    Where it is at home.",
        "rate : float",
        "    Of learning.",
        "width : int",
        "    Of its layer.",
        "seed : int",
    ]


def test_lists_serve_where_arrays_are_asked_for() -> None:
    assert argument("codes", [[0, 1]], Codes).shape == (1, 2)
    assert argument("values", (1.0, 2.0), Values | None).shape == (2,)
    for wrong in (["a"], [[1], [1, 2]], "x", [None]):
        with pytest.raises(ParameterError, match="codes must be an array of numbers"):
            argument("codes", wrong, Codes)
