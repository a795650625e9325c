"""Commands whose options are the fields of a dataclass, and what all of them print at the end."""

from __future__ import annotations

import dataclasses
import functools
import inspect
import re
import types
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar, Union, get_args, get_origin

import typer

from ..data.arguments import check_bounds
from ..errors import ParameterError
from ..progress import progress_bar
from .common import AsJson, emit, reported_errors, typed_command
from .printing import print_table, say

if TYPE_CHECKING:
    from ..benchmarks.studies import Described, Findings, Study

_EVERYWHERE = "in the report, with --json, and in a wider terminal"

Options = TypeVar("Options")
Found = TypeVar("Found", bound="Findings")


def command_of(
    options: type[Options], work: Callable[[Options, bool], None]
) -> Callable[..., None]:
    """Function for typer whose parameters are the fields of ``options`` and ``--json``.

    Parameters
    ----------
    options : type
        A dataclass whose fields are made by ``option``. Its ``moved`` names options that have
        become commands, such as ``--evaluate``, or ``--verify N`` if it took a value.
    work : callable
        Called with the options and whether ``--json`` was typed; its docstring is the help.
    """
    from ..benchmarks.studies.flags import described_fields

    fields = described_fields(options)
    moved: Mapping[str, str] = getattr(options, "moved", {})
    former = {f"moved_{number}": name.split() for number, name in enumerate(moved)}

    @functools.wraps(work)
    def command(**typed: Any) -> None:
        as_json = typed.pop("as_json")
        with reported_errors():
            for key, name in former.items():
                if typed[key] is not None:
                    place = moved[" ".join(name)]
                    raise ParameterError(f"{name[0]} is now a command: {place}")
            values = {field.name: _value(field, typed[field.name]) for field in fields}
            work(options(**values, **_unseen(options)), as_json)

    kind = inspect.Parameter.KEYWORD_ONLY
    parameters = [_parameter(field) for field in fields]
    for key, name in former.items():
        typed_as: Any = bool | None if len(name) == 1 else str | None
        hidden = Annotated[typed_as, typer.Option(name[0], hidden=True)]
        parameters.append(inspect.Parameter(key, kind, default=None, annotation=hidden))
    parameters.append(inspect.Parameter("as_json", kind, default=False, annotation=AsJson))
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    command.__annotations__ = {p.name: p.annotation for p in parameters}
    del command.__wrapped__  # typer reads the signature made here
    command.__name__ = work.__name__.strip("_")
    return command


def study_command(kind: str, options: type[Any]) -> Callable[..., None]:
    """Function for typer that runs a kind of study; its help is the docstring of the options.

    Parameters
    ----------
    kind : str
        One of ``nasurge.registry.STUDIES``.
    options : type
        A dataclass whose fields are made by ``option``.
    """

    def work(typed: Any, as_json: bool) -> None:
        from ..registry import study_class

        run_and_print(study_class(kind)(typed), as_json=as_json)  # type: ignore[call-arg]

    work.__doc__ = options.__doc__
    return command_of(options, work)


def _unseen(options: type[Any]) -> dict[str, Any]:
    """Fields that nobody types: the command itself, for reports."""
    return {"command": typed_command()} if "command" in options.__dataclass_fields__ else {}


def _parameter(field: Described) -> inspect.Parameter:
    """Parameter that typer turns into the option or argument of a field."""
    flag = field.flag
    typed = _typed(field)
    shown: dict[str, Any] = {
        "help": _literal(flag.help),
        "metavar": flag.metavar or _metavar(typed),
    }
    text = field.default_text
    if "," in text or flag.shown is not None:  # with blanks, at which a terminal can wrap
        shown["show_default"] = re.sub(r",(?=\S)", ", ", text)
    elif not text:
        shown["show_default"] = False
    if flag.section:
        shown["rich_help_panel"] = flag.section
    default = inspect.Parameter.empty if field.required else _text(field, typed)
    made: Any
    if flag.argument:
        made = typer.Argument(**shown)
    else:
        names = flag.names
        if not any(name.startswith("--") for name in names):
            names.insert(0, field.option)
        made = typer.Option(*names, **shown)
    return inspect.Parameter(
        field.name,
        inspect.Parameter.KEYWORD_ONLY,
        default=default,
        annotation=Annotated[typed, made],
    )


def _literal(text: str) -> str:
    """Text that a help, which is Markdown, shows as it is: nothing in it is markup."""
    return re.sub(r"([\\`*_<\[])", r"\\\1", text)


def _metavar(typed: Any) -> str | None:
    """Short word for a value in the help, so that names of options are not cut."""
    kinds = get_args(typed) or (typed,)
    words = {int: "N", float: "X", str: "TEXT", Path: "PATH"}
    return next((words[kind] for kind in kinds if kind in words), None)


def _typed(field: Described) -> Any:
    """Type of what is typed: text where the flag makes the value of it, or the field takes text."""
    parts = get_args(field.type) if get_origin(field.type) in (Union, types.UnionType) else ()
    if field.flag.repeated:
        return list[str] | None
    if field.flag.parse is None and str not in parts:
        return field.type
    return str | None if type(None) in parts or field.default is None else str


def _text(field: Described, typed: Any) -> Any:
    """Default as it would be typed."""
    if field.flag.repeated:
        return None
    if typed in (str, str | None) and field.default is not None:
        return field.default_text
    return field.default


def _value(field: Described, typed: Any) -> Any:
    """Value of a field, of what was typed."""
    parse = field.flag.parse
    if field.flag.repeated:
        return tuple(parse(item) if parse else item for item in typed or ())
    if typed == _text(field, _typed(field)):
        return field.default
    if parse is None or not isinstance(typed, str):
        check_bounds(field.option, typed, field.flag.least, field.flag.most)
        return typed
    try:
        return parse(typed)
    except ParameterError as error:
        raise ParameterError(f"{field.option}: {error}") from None


def run_with_progress(study: Study[Found, Any]) -> Found:
    """Findings of a study, which is run with a progress bar."""
    with progress_bar(study.kind) as progress:
        study.options = dataclasses.replace(study.options, progress=progress)
        return study.run()


def run_and_print(study: Study[Any, Any], *, as_json: bool) -> None:
    """Run a study with a progress bar and print what it found."""
    print_findings(run_with_progress(study), type(study), as_json=as_json)


def print_tables(found: Findings, study: type[Study[Any, Any]]) -> None:
    """Print the tables of a study, and the lines that belong to them."""
    for table in study.tables_of(found.parts):
        print_table(table.columns, table.rows, best=table.best, elsewhere=_EVERYWHERE)
        if table.note:
            say(table.note)
    for line in study.notes(found.parts):
        say(line)


def print_findings(found: Findings, study: type[Study[Any, Any]], *, as_json: bool) -> None:
    """Print what a study found: its tables, what belongs to them, and where everything is."""
    if as_json:
        emit(study.as_json(found.parts, found.folder))
        return
    print_tables(found, study)
    say(f"again: {typed_command()}")
    say(f"rows: {found.folder / 'rows.parquet'}")
    say(f"report: {found.folder / 'report.html'}")
