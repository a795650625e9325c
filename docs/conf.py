"""How this site is built: ``make docs``. Three parts are written by the program itself.

``reference/api/`` comes from the docstrings (autosummary walks the packages), and the includes in
``reference/generated/`` from the command line and from the registry.
"""

import functools
import importlib.util
import subprocess
import sys
import types
from pathlib import Path
from typing import Generic, get_origin

import nasurge

project = "NASurge"
author = "The NASurge developers"
copyright = "2026, The NASurge developers"
version = release = nasurge.__version__

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "numpydoc",
    "sphinx_design",
]
exclude_patterns = ["_build", "jupyter_execute", "notebooks", "reference/generated"]
templates_path = ["_templates"]
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3

# pages of the gallery are executed, each in a folder of its own; a cell that fails is an error
nb_execution_mode = "force"
nb_execution_in_temp = True
nb_execution_raise_on_error = True
nb_execution_timeout = 300
nb_output_stderr = "remove"  # bars of progress

autodoc_default_options = {
    "members": True,
    "show-inheritance": True,
    # each class and function is shown once, in the module that defines it
    "ignore-module-all": True,
    # scikit-learn makes these for metadata routing, which codes do not need
    "exclude-members": ", ".join(
        f"set_{method}_request" for method in ("fit", "predict", "score", "transform")
    ),
}
autodoc_member_order = "bysource"
autodoc_typehints = "none"  # types stand in the numpydoc sections
autodoc_use_type_comments = False  # there are none to look for
# a page of their own in reference/api.md, or in reference/cli.md
autosummary_context = {
    "elsewhere": [
        f"nasurge.{room}" for room in ("data", "predictors", "benchmarks", "search", "cli")
    ]
}
numpydoc_show_class_members = False
add_module_names = False
# a link to something of ours that is not there is an error; other projects are not looked up
nitpicky = True
nitpick_ignore_regex = [
    ("py:.*", r"(?!nasurge\.).*"),
    ("py:.*", r"nasurge\.(.*\.)?_.*"),
    ("py:.*", r"nasurge\.search\.studies\..*\.Search(Task|Found)"),  # type variables have no page
    ("py:.*", r"nasurge\.benchmarks\.studies\.kinds\.(Found|Options)"),
]
toc_object_entries_show_parents = "hide"

html_theme = "furo"
html_title = f"NASurge {version}"
html_show_sphinx = False


def without_object(app, name, obj, options, bases):  # noqa: ARG001 -- Sphinx's signature
    """Leave out the base that every class has, and that of every generic one."""
    bases[:] = [b for b in bases if b is not object and get_origin(b) is not Generic] or [object]


def with_face(app, what, name, obj, options, lines):  # noqa: ARG001 -- Sphinx's signature
    """Add the names that a package offers, each a link to where it is defined."""
    if what != "module" or name == "nasurge" or not hasattr(obj, "__path__"):
        return
    offered = ((face, getattr(obj, face)) for face in getattr(obj, "__all__", ()))
    links = [
        f":py:obj:`{face} <{found.__module__}.{found.__qualname__}>`"
        for face, found in offered
        if isinstance(found, type | types.FunctionType) and not face.startswith("_")
    ]
    if links:
        lines += ["", f"Offers {', '.join(links)}."]


def without_aliases(app, what, name, obj, skip, options):  # noqa: ARG001 -- Sphinx's signature
    """Leave out what is not ours: types such as ``dict[str, Any]``, and setters of matplotlib.

    That gives each of its subclasses a ``set`` of its own.
    """
    setter = name == "set" and getattr(obj, "__module__", "").startswith("matplotlib")
    return True if setter or isinstance(obj, types.GenericAlias) else None


def table(columns, rows):
    """Markdown table."""
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def linked(name, found):
    """Name as a link to a class or function, and what that is in one line."""
    target = f"{{py:obj}}`{name} <{found.__module__}.{found.__qualname__}>`"
    return target, (found.__doc__ or "").strip().split("\n")[0].replace("|", r"\|")


def names_table():
    """Markdown table of what stands in ``nasurge`` itself."""
    import nasurge.api  # nasurge.search is a package that can be called; this is what it calls

    found = {name: getattr(nasurge.api, name, getattr(nasurge, name)) for name in nasurge.__all__}
    return table(
        ["name", "what it is"],
        [linked(f"nasurge.{name}", item) for name, item in found.items() if callable(item)],
    )


def predictors_table():
    """Markdown table of the registered predictors."""
    from nasurge.registry import predictor_class, predictor_names

    return table(
        ["predictor", "what it is", "standard deviations", "fewest labels"],
        [
            [*linked(name, cls), "yes" if cls.offers_std else "", str(cls.minimum_labels)]
            for name, cls in ((name, predictor_class(name)) for name in predictor_names())
        ],
    )


def searchers_table():
    """Markdown table of the registered searchers."""
    from nasurge.registry import can_be_guided, searcher_class, searcher_names, takes_objectives

    return table(
        ["searcher", "what it is", "takes a predictor", "several objectives"],
        [
            [
                *linked(name, searcher_class(name)),
                "yes" if can_be_guided(name) else "",
                "yes" if takes_objectives(name) else "",
            ]
            for name in searcher_names()
        ],
    )


def terms_table(page):
    """Markdown table of the terms of one kind of report, which explains them likewise."""
    from nasurge.benchmarks.studies.terms import read_terms

    rows = [[term.name, term.text, term.better] for term in read_terms() if term.page == page]
    return table(["term", "what it says", "better"], rows)


def studies_text():
    """Markdown of every kind of study: its command, fields of its summary, columns of its rows."""
    from nasurge.registry import study_descriptions

    parts = []
    for study in study_descriptions():
        how = f"`nasurge {study.command}`" if study.command else "from Python"
        fields = [[f"`{name}`", meaning] for name, meaning in study.summary.items()]
        columns = [[f"`{name}`", meaning] for name, meaning in study.rows.items()]
        parts.append(f"### {study.kind}\n\n{study.title}: {how}.\n")
        parts.append(table(["field of an entry of `summary`", "meaning"], fields))
        parts.append(table(["column of `rows`", "meaning"], columns))
    return "\n".join(parts).replace("``", "`")


def commands():
    """Markdown of every command with its options, below the headings of a page."""
    command = [sys.executable, "-P", "-m", "typer", "nasurge.cli", "utils", "docs"]
    done = subprocess.run(  # noqa: S603 -- our own program
        [*command, "--name", "nasurge"], check=True, stdout=subprocess.PIPE, text=True
    )
    return done.stdout


def is_there(module):
    """Whether a module can be imported."""
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # its package is gone
        return False


def generate(app):
    """Write the includes that changed, and drop the pages of modules that are gone."""
    for page in (Path(app.srcdir) / "reference" / "api").glob("*.rst"):
        if not is_there(page.stem):
            page.unlink()
    folder = Path(app.srcdir) / "reference" / "generated"
    folder.mkdir(exist_ok=True)
    parts = {
        "cli": commands,
        "names": names_table,
        "predictors": predictors_table,
        "searchers": searchers_table,
        "studies": studies_text,
        **{
            f"terms-{page.replace(' ', '-')}": functools.partial(terms_table, page)
            for page in ("compare", "search", "fronts", "every report")
        },
    }
    for name, make in parts.items():
        path, text = folder / f"{name}.md", make()
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")


def keep_template():
    """Have numpydoc compile its template once, not anew for each of some thousand docstrings."""
    from jinja2.sandbox import SandboxedEnvironment
    from numpydoc import docscrape_sphinx

    kept = {}
    docscrape_sphinx.SandboxedEnvironment = lambda loader: kept.setdefault(
        "numpydoc", SandboxedEnvironment(loader=loader)
    )


def setup(app):
    keep_template()
    app.connect("autodoc-process-bases", without_object)
    app.connect("autodoc-process-docstring", with_face)
    app.connect("autodoc-skip-member", without_aliases)
    app.connect("builder-inited", generate, priority=100)  # before autosummary
