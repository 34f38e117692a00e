"""The documentation: what Sphinx is to build, and how. ``make docs`` writes build/site.

Nothing is fetched, at build or at reading: no fonts, no scripts of others, no inventories of other projects.
"""

from __future__ import annotations

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE / "_extensions"), str(HERE.parent / "src")]

from executed import cache  # noqa: E402

import lowerbound  # noqa: E402 - from this tree, whatever is installed

project = "lowerbound"
version = release = lowerbound.__version__
copyright = "the authors of lowerbound"  # noqa: A001 - Sphinx's own name

extensions = [
    "myst_nb",
    "executed",
    "sphinx.ext.autodoc",
    "sphinx.ext.viewcode",
    "api_pages",
    "api_links",
    "docstrings",
    "code_pages",
    "mathml",
    "repository_links",
    "finding_pages",
    "dead_links",
]
exclude_patterns = ["_extensions", "_static"]

# pages
myst_enable_extensions = ["dollarmath", "colon_fence", "deflist", "attrs_inline"]
myst_heading_anchors = 4
myst_links_external_new_tab = False
nitpicky = False

# cells: run once, and again where they or the library change
nb_execution_mode = "cache"
nb_execution_cache_path = str(cache(HERE.parent))
nb_execution_timeout = 600  # seconds a cell may take on a busy machine
nb_execution_raise_on_error = True
nb_execution_show_tb = True
nb_merge_streams = True

# the API
add_module_names = False
autodoc_inherit_docstrings = False
autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
maximum_signature_line_length = 80
modindex_common_prefix = ["lowerbound."]

# looks
html_theme = "furo"
html_title = "lowerbound"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_js_files = ["site.js"]
pygments_dark_style = "github-dark"
html_math_renderer = "mathml"
html_copy_source = False
html_show_sourcelink = False
html_show_sphinx = False
html_show_search_summary = False  # a page that is opened from its file may not read others
html_theme_options = {"top_of_page_buttons": []}
