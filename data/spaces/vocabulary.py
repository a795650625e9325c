"""What spaces are made of, as text: operations by their names, numbers, objects, the whole."""

from __future__ import annotations

import ast
import inspect
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar

from ...errors import ParameterError
from ..arguments import brief
from .structure import Operation

S = TypeVar("S")

LONGEST = 20_000  # characters of an architecture in JSON
KINDS = ("zero", "skip", "conv", "pool")


def named_operation(name: str) -> Operation:
    """Operation of a name as the field writes it: ``none``, ``skip_connect``, ``max_pool_3x3``.

    What is neither nothing, nor a skip, nor a pooling learns weights: a convolution, of half the
    depth where it is 1x1.

    Examples
    --------
    >>> named_operation("conv1x1-bn-relu")
    Operation(name='conv1x1-bn-relu', kind='conv', depth=0.5)
    """
    low = name.lower()
    if low in ("none", "zero"):
        return Operation(name, "zero")
    if "skip" in low or low.startswith("id"):
        return Operation(name, "skip")
    if "pool" in low:
        return Operation(name, "pool")
    return Operation(name, "conv", 0.5 if "1x1" in low else 1.0)


def _operation(given: Any) -> Operation | None:
    """Operation of a name, of its three parts or as it is; None if it is none of these."""
    if isinstance(given, str):
        given = named_operation(given)
    parts = given
    if not isinstance(given, Sequence):
        parts = [getattr(given, part, None) for part in ("name", "kind", "depth")]
    if len(parts) != 3 or parts[1] not in KINDS or not isinstance(parts[2], int | float):
        return None
    name, kind, depth = parts
    if not isinstance(name, str) or not name.strip() or set(name) & set("\"'\\\n"):
        return None
    return Operation(name, kind, float(depth))


def check_operations(given: Any, owner: str) -> tuple[Operation, ...]:
    """Operations of names, of (name, kind, depth) or as they are.

    Raises
    ------
    ParameterError
        If there is none, one is twice, or one is neither of these.
    """
    if isinstance(given, str) or not isinstance(given, Iterable):
        raise ParameterError(
            f"operations of {owner} are a sequence of names, received {brief(given)}"
        )
    found = []
    for one in given:
        operation = _operation(one)
        if operation is None:
            raise ParameterError(
                f"an operation of {owner} is a name without quotes, or (name, kind, depth) with "
                f"one of the kinds {', '.join(KINDS)}; received {brief(one)}"
            )
        found.append(operation)
    names = [operation.name for operation in found]
    twice = next((name for name in names if names.count(name) > 1), None)
    if not 1 <= len(found) <= 127 or twice is not None:
        raise ParameterError(
            f"{owner} has 1 to 127 operations of different names; received {brief(names)}"
        )
    return tuple(found)


def written_operations(operations: Sequence[Operation]) -> list[list[Any]]:
    """JSON values from which ``check_operations`` makes the operations again."""
    return [[o.name, o.kind, o.depth] for o in operations]


def whole_number(value: Any, name: str, least: int, most: int) -> int:
    """Whole number of an argument.

    Raises
    ------
    ParameterError
        If it is none from ``least`` to ``most``.
    """
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise ParameterError(
            f"{name} is a whole number from {least} to {most}, received {brief(value)}"
        )
    return value


def made_of(cls: type[S], spec: Mapping[str, Any]) -> S:
    """Space of a class, made of its description: its arguments by name, and its kind.

    Raises
    ------
    ParameterError
        If an argument is missing, unknown or not allowed.
    """
    given = {key: value for key, value in spec.items() if key != "kind"}
    allowed = inspect.signature(cls).parameters
    missing = [k for k, p in allowed.items() if p.default is p.empty and k not in given]
    unknown = [key for key in given if key not in allowed]
    if missing or unknown:
        raise ParameterError(
            f"a space of kind {spec.get('kind')!r} is described by {', '.join(allowed)}; "
            f"{'missing' if missing else 'unknown'}: {', '.join(map(str, missing or unknown))}"
        )
    return cls(**given)


def read_object(text: str) -> Mapping[Any, Any]:
    """Object of its JSON, or as Python prints it.

    Raises
    ------
    ValueError, TypeError
        If it is neither.
    """
    if len(text) > LONGEST:
        raise ValueError(f"it has {len(text):,} characters, more than {LONGEST:,}")
    try:
        found = json.loads(text)
    except RecursionError:
        raise ValueError("it is nested too deep") from None
    except ValueError as error:
        try:
            found = ast.literal_eval(text)
        except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
            raise ValueError(f"it is no JSON object: {error}") from None
    if not isinstance(found, Mapping):
        raise TypeError(f"expected an object of names and values, found {type(found).__name__}")
    return found
