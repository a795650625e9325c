"""Variables of a described space: categories, ordered numbers, layers that repeat."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from contextlib import suppress
from dataclasses import dataclass, replace
from numbers import Integral, Real
from typing import Any

import numpy as np

from ...errors import SchemaError
from ..arguments import brief, checked
from ..types import Values

Value = str | bool | int | float
"""Value of a variable."""
Active = str | Mapping[str, Any] | Sequence[Mapping[str, Any]] | None
"""When a variable has an effect: ``"depth >= 3"``, or ``{"depth": [3, 4]}``, or a list of such
mappings of which one is met; None for always."""

MOST_VALUES = 32_767
_MOST_VARIABLES = 2_000
_RANGE = re.compile(r"\{(\d+)\.\.(\d+)\}")
_ODD = set('=,|"{}\n\r\t')


@dataclass(frozen=True)
class Variable:
    """One decision: its values and when it has an effect.

    Attributes
    ----------
    values : tuple of str, bool, int or float
        What is chosen from; of an ordered variable, rising numbers.
    ordered : bool
        Whether the values are numbers whose distance counts.
    log : bool
        Whether it is their ratio that counts.
    skip : tuple
        Values that pass on what they get, as an identity does.
    active : str, mapping or None
        When the variable has an effect, as a condition on earlier variables.
    field : str
        What it decides, where several variables decide the same of one layer each.
    """

    values: tuple[Value, ...]
    ordered: bool = False
    log: bool = False
    skip: tuple[Value, ...] = ()
    active: Active = None
    field: str = ""

    @property
    def texts(self) -> tuple[str, ...]:
        """The values as they are written."""
        return tuple(map(value_text, self.values))

    @property
    def numbers(self) -> Values | None:
        """Values from 0 to 1, shape (k,); None where they are not ordered."""
        if not self.ordered:
            return None
        numbers = np.asarray(self.values, dtype=np.float64)
        numbers = np.log(numbers) if self.log else numbers
        width = numbers[-1] - numbers[0]
        return np.asarray((numbers - numbers[0]) / (width or 1.0))

    def position(self, value: Any) -> int:
        """Number of a value, given as itself or as its text.

        Raises
        ------
        ValueError
            If it is none of the values.
        """
        if isinstance(value, np.generic):
            value = value.item()
        text = value if isinstance(value, str) else None
        for k, own in enumerate(self.values):
            same = isinstance(own, bool) == isinstance(value, bool)
            if (own == value and same) or value_text(own) == text:
                return k
        if text is not None and (plain := _plain(text)) is not None:
            with suppress(ValueError):
                return self.position(plain)
        shown = self.texts if len(self.texts) <= 12 else (*self.texts[:8], "...", self.texts[-1])
        raise ValueError(f"{value!r} is none of {', '.join(shown)}")

    def spec(self) -> dict[str, Any]:
        """JSON values from which the variable is made again."""
        told: dict[str, Any] = {"ordered" if self.ordered else "choice": list(self.values)}
        told |= {"log": True} if self.log else {}
        told |= {"skip": list(self.skip)} if self.skip else {}
        told |= {"active": self.active} if self.active is not None else {}
        return told | ({"field": self.field} if self.field else {})


@dataclass(frozen=True)
class Layers:
    """Layers of the same variables, whose number is a variable itself."""

    times: Variable
    of: Mapping[str, Variable]


def value_text(value: Value) -> str:
    """Text of a value: numbers without a needless fraction, truths in lower case."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    return str(value)


def _plain(text: str) -> bool | float | None:
    """Truth or number that a text writes; None of another."""
    truth = {"true": True, "false": False}.get(text.lower())
    if truth is not None:
        return truth
    try:
        return float(text)
    except ValueError:
        return None


@checked
def choice(*values: Value, skip: Value | Sequence[Value] = (), active: Active = None) -> Variable:
    """Categorical variable of a space: one of several values without an order.

    Parameters
    ----------
    *values : str, bool, int or float
    skip : value or sequence of values
        Those that pass on what they get, as an identity does.
    active : str, mapping or None
        When the variable has an effect: a condition on earlier variables, such as
        ``"depth >= 3"``, ``"op1 != pool and depth in (3, 4)"`` or ``{"depth": [3, 4]}``. In the
        name of several layers, ``{i}`` stands for the number of the layer.

    Raises
    ------
    SchemaError
        If there is no value, one twice, or one that is neither text nor a number.

    Examples
    --------
    >>> choice("conv3", "mb6", "identity", skip="identity").texts
    ('conv3', 'mb6', 'identity')
    """
    listed = _values(values)
    skipped = (skip,) if isinstance(skip, str) or not isinstance(skip, Iterable) else tuple(skip)
    strange = [value for value in skipped if value not in listed]
    if strange:
        raise SchemaError(
            f"skip names {strange[0]!r}, which is none of the values "
            f"{', '.join(map(value_text, listed))}"
        )
    return Variable(listed, skip=skipped, active=active)


@checked
def ordered(
    *values: float | Iterable[float],
    steps: int | None = None,
    log: bool = False,
    active: Active = None,
) -> Variable:
    """Ordered variable of a space: one of several numbers, whose distance counts.

    Parameters
    ----------
    *values : int or float
        The numbers, or one iterable of them such as a ``range``; with ``steps`` the least and the
        largest.
    steps : int, optional
        Numbers on an even grid from the least to the largest; whole where both ends are, and they
        then occur once each. This is how a continuous range is searched.
    log : bool
        Whether ratios count instead of differences; the grid is geometric then.
    active : str, mapping or None
        When the variable has an effect: see ``choice``.

    Raises
    ------
    SchemaError
        If there is no number, one twice, or one that ``log`` cannot take.

    Examples
    --------
    >>> ordered(3, 5, 7).values
    (3, 5, 7)
    >>> ordered(8, 64, steps=4, log=True).values
    (8, 16, 32, 64)
    """
    if len(values) == 1 and isinstance(values[0], Iterable):
        values = tuple(values[0])
    if steps is not None:
        values = _grid(values, steps, log)
    listed = _values(values)
    wrong = [v for v in listed if isinstance(v, str | bool) or not math.isfinite(v)]
    if wrong:
        raise SchemaError(f"ordered values are finite numbers, received {wrong[0]!r}")
    numbers = tuple(sorted(v for v in listed if not isinstance(v, str)))
    if log and numbers[0] <= 0:
        raise SchemaError(f"with log=True values are above 0, received {numbers[0]!r}")
    return Variable(numbers, ordered=True, log=log, active=active)


@checked
def repeat(*times: int, of: Mapping[str, Any], active: Active = None) -> Layers:
    """Layers of the same variables, whose number is a variable of the space.

    Under the name ``stage`` with ``of={"kernel": ...}`` it makes the variables ``stage_depth``,
    ``stage_kernel_1``, ``stage_kernel_2`` and so on; those of layers beyond the depth have no
    effect.

    Parameters
    ----------
    *times : int
        Possible numbers of layers, from 0.
    of : mapping from str to values, choice or ordered
        Variables of a layer.
    active : str, mapping or None
        When the layers are there at all: see ``choice``.

    Raises
    ------
    SchemaError
        If a number of layers is none, or a layer has no variables.
    """
    count = ordered(*times, active=active)
    wrong = [n for n in count.values if not isinstance(n, Integral) or not 0 <= n <= 1000]
    if wrong:
        raise SchemaError(f"layers are repeated a whole number of times, received {wrong[0]!r}")
    if not isinstance(of, Mapping) or not of:
        raise SchemaError(
            f'the variables of a layer are a mapping, such as {{"kernel": [3, 5]}}; received '
            f"{brief(of)}"
        )
    layer = {str(name): as_variable(str(name), values) for name, values in of.items()}
    nested = [name for name, values in layer.items() if not isinstance(values, Variable)]
    if nested:
        raise SchemaError(f"{nested[0]!r} repeats layers within layers: name them one by one")
    return Layers(count, {name: v for name, v in layer.items() if isinstance(v, Variable)})


def as_variable(name: str, given: Any) -> Variable | Layers:
    """Variable of a name from its values, a ``choice``, an ``ordered`` or their JSON form.

    Raises
    ------
    SchemaError
        Naming the variable.
    """
    if isinstance(given, Variable | Layers):
        return given
    try:
        return _from_json(given) if isinstance(given, Mapping) else _from_values(given)
    except SchemaError as error:
        raise SchemaError(f"variable {name!r}: {error}") from None


def _from_values(given: Any) -> Variable:
    """Variable of its bare values: ordered where all are numbers."""
    if isinstance(given, str | Set) or not isinstance(given, Iterable):
        raise SchemaError(
            f"values are a sequence, such as ['conv', 'pool'] or [8, 16, 32], received "
            f"{brief(given)}"
        )
    values = list(given)
    numbers = values and all(isinstance(v, Real) and not isinstance(v, bool) for v in values)
    return ordered(*values) if numbers else choice(*values)


def _from_json(given: Mapping[str, Any]) -> Variable | Layers:
    """Variable of its JSON or TOML form."""
    kinds: dict[str, Callable[..., Variable | Layers]]
    kinds = {"choice": choice, "ordered": ordered, "repeat": repeat}
    kind = [key for key in kinds if key in given]
    allowed = {"choice": {"skip"}, "ordered": {"steps", "log"}, "repeat": {"of"}}
    if len(kind) != 1:
        raise SchemaError(
            "it has one of the keys choice, ordered and repeat with its values, such as "
            f"{{ordered = [3, 5, 7]}}; received {brief(dict(given))}"
        )
    options = {key: value for key, value in given.items() if key != kind[0]}
    field = options.pop("field", "")
    odd = set(options) - allowed[kind[0]] - {"active"}
    if odd:
        raise SchemaError(f"{kind[0]} takes no {sorted(odd)[0]!r}")
    values = given[kind[0]]
    if isinstance(values, str) or not isinstance(values, Iterable):
        values = [values]
    made = kinds[kind[0]](*values, **options)
    return replace(made, field=str(field)) if isinstance(made, Variable) else made


def _values(values: Iterable[Any]) -> tuple[Any, ...]:
    """Values of a variable, checked."""
    listed = []
    for value in values:
        plain = value.item() if isinstance(value, np.generic) else value
        if not isinstance(plain, str | bool | int | float) or plain != plain:
            raise SchemaError(f"values are text or numbers, received {brief(value)}")
        listed.append(plain)
    if not listed:
        raise SchemaError("there is no value to choose")
    texts = [value_text(value) for value in listed]
    twice = next((text for k, text in enumerate(texts) if text in texts[:k]), None)
    if twice is not None:
        raise SchemaError(f"the value {twice!r} occurs twice")
    if "" in (text.strip() for text in texts):
        raise SchemaError("a value is a text that is empty: name it")
    if len(listed) > MOST_VALUES:
        raise SchemaError(f"{len(listed)} values are more than {MOST_VALUES}: take a coarser grid")
    return tuple(listed)


def _grid(ends: Sequence[Any], steps: Any, log: bool) -> tuple[float, ...]:
    """Even or geometric grid between two ends; whole numbers where both ends are whole."""
    if len(ends) != 2 or not all(isinstance(end, Real) for end in ends) or not ends[0] < ends[1]:
        raise SchemaError(f"steps go from the least to the largest of two numbers, received {ends}")
    if not isinstance(steps, int) or not 2 <= steps <= MOST_VALUES:
        raise SchemaError(f"steps is a whole number from 2 to {MOST_VALUES}, received {steps!r}")
    if log and ends[0] <= 0:
        raise SchemaError(f"with log=True values are above 0, received {ends[0]!r}")
    space = np.geomspace if log else np.linspace
    grid = space(float(ends[0]), float(ends[1]), int(steps))
    if all(isinstance(end, Integral) for end in ends):
        return tuple(int(v) for v in np.unique(np.rint(grid).astype(np.int64)))
    return tuple(float(f"{v:.12g}") for v in grid)


def expand(variables: Mapping[str, Any]) -> dict[str, Variable]:
    """Every variable by its name, those of several layers one by one.

    Raises
    ------
    SchemaError
        Naming the variable that is wrong.
    """
    made: dict[str, Variable] = {}

    def add(name: str, variable: Variable) -> None:
        if not name.strip() or _ODD & set(name):
            raise SchemaError(
                f"{name!r} cannot name a variable: names are not empty and without any of "
                '= , | " { }'
            )
        if name in made:
            raise SchemaError(f"two variables are called {name!r}")
        made[name] = variable

    for name, given in variables.items():
        variable = as_variable(str(name), given)
        if isinstance(variable, Layers):
            _add_layers(add, str(name), variable)
        elif found := _RANGE.search(str(name)):
            first, last = int(found[1]), int(found[2])
            if not first <= last <= first + _MOST_VARIABLES:
                raise SchemaError(f"{name!r} counts from {first} to {last}: nothing to name")
            field = variable.field or _RANGE.sub("", str(name)).strip("_ ")
            for i in range(first, last + 1):
                add(_RANGE.sub(str(i), str(name)), _numbered(variable, i, field))
        else:
            add(str(name), variable)
    if not made:
        raise SchemaError('a space has variables, such as {"depth": [2, 3], "op": ["a", "b"]}')
    if len(made) > _MOST_VARIABLES:
        raise SchemaError(f"{len(made)} variables are more than {_MOST_VARIABLES}")
    return made


def _add_layers(add: Any, name: str, block: Layers) -> None:
    """Add the depth of a block and the variables of each of its layers."""
    depth = f"{name}_depth"
    add(depth, block.times)
    counts = [int(n) for n in block.times.values]
    for i in range(1, max(counts) + 1):
        always = i <= min(counts) and block.times.active is None
        for field, variable in block.of.items():
            if variable.active is not None:
                raise SchemaError(
                    f"variable {field!r} of {name!r} has a condition of its own: name the layers "
                    f'one by one, as "{name}_{field}_{{1..{max(counts)}}}"'
                )
            active = None if always else {depth: [n for n in counts if n >= i]}
            add(f"{name}_{field}_{i}", replace(variable, active=active, field=field))


def _numbered(variable: Variable, i: int, field: str) -> Variable:
    """Variable of layer ``i``."""
    active = variable.active
    if isinstance(active, str):
        active = active.replace("{i}", str(i))
    elif isinstance(active, Mapping):
        active = {key.replace("{i}", str(i)): values for key, values in active.items()}
    elif active is not None:
        active = [{k.replace("{i}", str(i)): v for k, v in one.items()} for one in active]
    return replace(variable, active=active, field=field)
