"""What can an operator type? (operator.md, Command line) One module per noun; ``main`` is the program."""

from gateway.cli.program import main

__all__ = ["main"]
