"""Settings of the documentation; directives of our own are in `_ext`."""

import doctest
import sys
from pathlib import Path

import lowrank_la

HERE = Path(__file__).parent
# Extensions of our own, and the modules that pages show and import.
sys.path[:0] = [str(HERE / "_ext"), str(HERE / "guide" / "code")]

project = "lowrank_la"
author = "The lowrank_la developers"
project_copyright = "The lowrank_la developers"
release = version = lowrank_la.__version__

extensions = [
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.doctest",
    "sphinx.ext.mathjax",
    "api",
    "claims",
    "console",
    "gallery",
    "page",
    "solver_table",
]
exclude_patterns = ["_build", "_ext", "_generated", "figures"]
default_role = "py:obj"

myst_enable_extensions = ["colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3

doctest_default_flags = doctest.ELLIPSIS
doctest_global_setup = "import page; page.begin()"
doctest_global_cleanup = "page.end()"

autodoc_typehints = "none"
autodoc_member_order = "bysource"
autosummary_generate = False
numpydoc_show_class_members = False
python_maximum_signature_line_length = 88
toc_object_entries_show_parents = "hide"

html_theme = "furo"
html_title = f"lowrank_la {release}"
html_static_path = ["_static"]
html_css_files = ["wide-tables.css"]
html_show_copyright = False
