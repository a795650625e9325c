"""How this site is built: ``make docs``."""

import nasurge

project = "NASurge"
author = "The NASurge developers"
copyright = "2026, The NASurge developers"
version = release = nasurge.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "numpydoc"]
exclude_patterns = ["_build"]
myst_enable_extensions = ["deflist"]
myst_heading_anchors = 3

autodoc_default_options = {
    "members": True,
    "show-inheritance": True,
    # scikit-learn makes these for metadata routing, which codes do not need
    "exclude-members": ", ".join(
        f"set_{method}_request" for method in ("fit", "predict", "score", "transform")
    ),
}
autodoc_member_order = "bysource"
autodoc_typehints = "none"  # types stand in the numpydoc sections
numpydoc_show_class_members = False
add_module_names = False
toc_object_entries_show_parents = "hide"

html_theme = "furo"
html_title = f"NASurge {version}"
html_show_sphinx = False


def without_object(app, name, obj, options, bases):  # noqa: ARG001 -- Sphinx's signature
    """Leave out the base that every class has."""
    bases[:] = [base for base in bases if base is not object]


def setup(app):
    app.connect("autodoc-process-bases", without_object)
