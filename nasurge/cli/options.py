"""Commands whose options are the fields of a dataclass, and what all of them print at the end."""

from __future__ import annotations

import dataclasses
import functools
import inspect
import types
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Annotated, Any, TypeVar, Union, get_args, get_origin

import typer

from ..errors import NasurgeError
from .common import AsJson, emit, print_table, progress_bar, reported_errors, typed_command

if TYPE_CHECKING:
    from ..benchmarks.studies import Described, Findings, Study

Options = TypeVar("Options")


def command_of(
    options: type[Options], work: Callable[[Options, bool], None]
) -> Callable[..., None]:
    """Function for typer whose parameters are the fields of ``options`` and ``--json``.

    Parameters
    ----------
    options : type
        A dataclass whose fields have a ``Flag``.
    work : callable
        Called with the options and whether ``--json`` was typed; its docstring is the help.
    """
    from ..benchmarks.studies.flags import described_fields

    fields = described_fields(options)

    @functools.wraps(work)
    def command(**typed: Any) -> None:
        as_json = typed.pop("as_json")
        with reported_errors():
            values = {field.name: _value(field, typed[field.name]) for field in fields}
            work(options(**values, **_unseen(options)), as_json)

    parameters = [_parameter(field) for field in fields]
    kind = inspect.Parameter.KEYWORD_ONLY
    parameters.append(inspect.Parameter("as_json", kind, default=False, annotation=AsJson))
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    command.__annotations__ = {p.name: p.annotation for p in parameters}
    del command.__wrapped__  # typer reads the signature made here
    command.__name__ = work.__name__.strip("_")
    return command


def _unseen(options: type[Any]) -> dict[str, Any]:
    """Fields that nobody types: the command itself, for reports."""
    return {"command": typed_command()} if "command" in options.__dataclass_fields__ else {}


def _parameter(field: Described) -> inspect.Parameter:
    """Parameter that typer turns into the option or argument of a field."""
    flag = field.flag
    typed = _typed(field)
    shown: dict[str, Any] = {"help": flag.help, "metavar": flag.metavar}
    if field.default is None or field.required:
        shown["show_default"] = False
    if typed in (int, float, int | None, float | None):
        shown |= {"min": flag.least, "max": flag.most}
    default = inspect.Parameter.empty if field.required else _text(field)
    made: Any
    if flag.argument:
        made = typer.Argument(**shown)
    else:
        names = list(flag.names)
        if not any(name.startswith("--") for name in names):
            names.insert(0, field.option)
        made = typer.Option(*names, **shown)
    return inspect.Parameter(
        field.name,
        inspect.Parameter.KEYWORD_ONLY,
        default=default,
        annotation=Annotated[typed, made],
    )


def _typed(field: Described) -> Any:
    """Type of what is typed: text where the flag makes the value of it."""
    optional = get_origin(field.type) in (Union, types.UnionType) and type(None) in get_args(
        field.type
    )
    if field.flag.repeated:
        return list[str] | None
    if field.flag.parse is not None:
        return str | None if optional or field.default is None else str
    return field.type


def _text(field: Described) -> Any:
    """Default as it would be typed."""
    if field.flag.repeated:
        return None
    if field.flag.parse is not None and isinstance(field.default, Sequence):
        return (
            field.default if isinstance(field.default, str) else ",".join(map(str, field.default))
        )
    return field.default


def _value(field: Described, typed: Any) -> Any:
    """Value of a field, of what was typed."""
    parse = field.flag.parse
    if field.flag.repeated:
        return tuple(parse(item) if parse else item for item in typed or ())
    if parse is None or not isinstance(typed, str):
        return typed
    try:
        return parse(typed)
    except NasurgeError as error:
        raise type(error)(f"{field.option}: {error}") from None


def run_and_print(study: Study[Any], *, as_json: bool) -> None:
    """Run a study with a progress bar and print what it found."""
    with progress_bar(study.kind) as progress:
        study.options = dataclasses.replace(study.options, progress=progress)
        found = study.run()
    print_findings(found, type(study), as_json=as_json)


def print_findings(found: Findings, study: type[Study[Any]], *, as_json: bool) -> None:
    """Print what a study found: its table, what belongs to it, and where everything is."""
    parts = found.parts
    if as_json:
        emit(study.as_json(parts, found.folder))
        return
    table = study.table_of(parts)
    print_table(table.columns, table.rows, best=table.best)
    for line in study.notes(parts):
        typer.echo(line)
    typer.echo(f"again: {typed_command()}")
    typer.echo(f"rows: {found.folder / 'rows.parquet'}")
    typer.echo(f"report: {found.folder / 'report.html'}")
