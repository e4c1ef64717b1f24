"""Writes the reference of the Python package, from its docstrings: ``python docs/reference.py FOLDER``."""

from __future__ import annotations

import re
import sys
import warnings
from functools import cache
from pathlib import Path

import pdoc
import pdoc.docstrings
import pdoc.render

MODULES = [
    "hms_a2a",
    "hms_a2a.negotiation",
    "hms_a2a.cores",
    "hms_a2a.testing",
    "hms_a2a.gtp",
    "hms_a2a.host",
    "hms_a2a.run",
]


@cache
def as_markdown(docstring: str, *_: object) -> str:
    """Our docstrings are Markdown, but for the two colons that announce a block, as Python's own have them."""
    return re.sub(r"^::\n", "", docstring, flags=re.MULTILINE).replace("::\n\n    ", ":\n\n    ")


def main() -> int:
    """Write it."""
    # What stands under TYPE_CHECKING is shown as it is written, and not linked.
    warnings.filterwarnings("ignore", "Error parsing type annotation", UserWarning)
    pdoc.docstrings.convert = as_markdown  # it has no setting for this
    pdoc.render.configure(docformat="markdown", show_source=False, footer_text="HMS-A2A")
    pdoc.pdoc(*MODULES, output_directory=Path(sys.argv[1]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
