"""How the documentation is built: `make docs`. Nothing is fetched, here or by a reader."""

from importlib.metadata import version as version_of
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.domains.python import PyXRefRole

project = "whence"
version = release = version_of("whence")

extensions = ["myst_parser", "sphinx.ext.autodoc"]
exclude_patterns = ["_build", "conftest.py"]
html_theme = "furo"
html_title = f"whence {version}"
html_copy_source = False
html_show_sourcelink = False
html_show_copyright = False
html_static_path = ["_static"]
html_css_files = ["whence.css"]

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_class_signature = "mixed"
autodoc_preserve_defaults = True
python_use_unqualified_type_names = True
maximum_signature_line_length = 88

default_role = "py:obj"


class Name(PyXRefRole):
    """In docstrings, `name` is a link where it names something documented, else code."""

    def process_link(
        self, env: Any, refnode: Any, has_explicit_title: bool, title: str, target: str
    ) -> tuple[str, str]:
        """Find a class whatever module it is in, others in the module that names them."""
        refnode["refspecific"] = target[:1].isupper()
        refnode["py:module"] = env.ref_context.get("py:module")
        refnode["py:class"] = env.ref_context.get("py:class")
        return title, target


def setup(app: Sphinx) -> None:
    """See https://www.sphinx-doc.org/en/master/extdev/."""
    app.add_role_to_domain("py", "obj", Name(), override=True)
    app.connect("missing-reference", code_instead)


def code_instead(
    app: Sphinx, env: Any, node: Any, content: nodes.TextElement
) -> nodes.TextElement | None:
    """What is documented elsewhere, or nowhere, is shown as code without a link."""
    return content if node.get("refdomain") == "py" else None
