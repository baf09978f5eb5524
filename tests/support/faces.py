"""Both faces of PUSH in one, and the committed document that describes them."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from gateway.push.answers import BASE
from gateway.push.app import make_app
from gateway.push.compatible.app import make_app as make_compatible
from gateway.push.openapi import document
from tests.support.contract import URL
from tests.support.world import World

COMMITTED = Path(__file__).parents[2] / "docs" / "openapi.json"


def faces_of(gateway):
    """The applications of both faces, by the base at which they are mounted."""
    compatible = make_compatible(gateway)
    return {BASE: make_app(gateway, {"/v2": compatible}), "/v2": compatible}


def nowhere(_environ, start_response):
    """What is mounted at no base."""
    start_response("404 Not Found", [("Content-Type", "application/json")])
    return [b"{}"]


def main():
    """Writes the committed document anew."""
    with tempfile.TemporaryDirectory() as folder, World(f"sqlite:///{folder}/gateway.db") as world:
        text = json.dumps(document(URL, faces_of(world.gateway)), indent=1, ensure_ascii=False)
        COMMITTED.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
