"""Fixtures of the compatible face: a served installation with two brands, and callers with keys."""

from __future__ import annotations

import pytest

from tests.support.face import Installation, push_doors, served
from tests.support.world import World


@pytest.fixture
def house(sqlite_url, tmp_path):
    """Both faces of PUSH over real HTTP, with brands 1 and 2."""
    with (World(sqlite_url, data_dir=tmp_path / "data", brands=(1, 2)) as world,
          served(push_doors(world.gateway)) as port):
        made = Installation(world, port)
        yield made
        made.close()


@pytest.fixture
def call(house):
    """A caller of brand 1, integration ``ams``, with every scope."""
    return house.caller()
