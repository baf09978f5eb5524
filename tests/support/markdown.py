"""How are the examples of a document found, and is an answer the one that the document shows?"""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.S | re.M)


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block: its language, its text, and where it stands."""

    language: str
    text: str
    place: str


def blocks(path: Path) -> list[Block]:
    """The fenced blocks of a document in order."""
    text = path.read_text(encoding="utf-8")
    return [Block(found[1], found[2], f"{path.name}:{text.count(chr(10), 0, found.start()) + 1}")
            for found in _FENCE.finditer(text)]


def differences(shown: Any, real: Any, place: str = "answer") -> list[str]:
    """Where a real answer is not what is shown: members that are shown must be there, ``"..."`` is anything."""
    if shown == "...":
        return []
    if isinstance(shown, dict) and isinstance(real, dict):
        return [found for name, value in shown.items() for found in (
            differences(value, real[name], f"{place}.{name}") if name in real else [f"{place}.{name} is not there"])]
    if isinstance(shown, list) and isinstance(real, list) and len(shown) == len(real):
        return [found for at, pair in enumerate(zip(shown, real, strict=True))
                for found in differences(*pair, f"{place}[{at}]")]
    return [] if shown == real else [f"{place} is {real!r}, shown is {shown!r}"]


def last_json(text: str) -> Any:
    """The JSON object that ends a text, whatever stands before it."""
    at = text.find("{")
    while at >= 0:
        try:
            found, end = json.JSONDecoder().raw_decode(text, at)
        except ValueError:
            end = -1
        if end >= 0 and not text[end:].strip():
            return found
        at = text.find("{", max(end, at + 1))
    raise AssertionError(f"no JSON object ends this:\n{text}")


class Shell:
    """A bash that runs one block after the other in ``folder``; variables and functions stay."""

    def __init__(self, folder: Path, environ: Mapping[str, str]) -> None:
        self._bash = subprocess.Popen(["bash", "--noprofile", "--norc"], cwd=folder, env=dict(environ), text=True,
                                      stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    def run(self, text: str) -> str:
        """What the block prints. Fails when its last command, or a pipe in it, fails."""
        assert self._bash.stdin and self._bash.stdout
        self._bash.stdin.write(f"set -o pipefail\n{text}\nprintf '\\n@@done %s\\n' $?\n")
        self._bash.stdin.flush()
        said = ""
        for line in self._bash.stdout:
            if line.startswith("@@done "):
                assert line.split()[1] == "0", f"exit code {line.split()[1]} of:\n{text}\n{said}"
                return said
            said += line
        raise AssertionError(f"bash ended in:\n{text}\n{said}")

    def close(self) -> None:
        """Ends the shell."""
        self._bash.communicate(timeout=30)
