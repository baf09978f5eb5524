"""What can an operator type? (operator.md, Command line) One module per noun; ``main`` is the program."""

from __future__ import annotations

import gc
from collections.abc import Sequence
from importlib import import_module

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command and answers its exit code; see :func:`gateway.cli.program.main`."""
    gc.disable()  # what is loaded now stays: looking for garbage in it is a tenth of a command's start, and, again and
    try:  # again, a third of the work of a long import
        program = import_module("gateway.cli.program")
        gc.freeze()
    finally:
        gc.enable()
    code: int = program.main(arguments)
    return code
