"""A document API on a fresh database for each test."""

import pytest

from gateway.aapi import answers, nodes
from gateway.aapi.actions.registry import ACTIONS, IMPORT, Action
from gateway.services import interests
from tests.aapi.door import Door


@pytest.fixture
def door(sqlite_url, tmp_path, clock):
    """A door on SQLite, with the clock of the fixture ``clock``."""
    made = Door(sqlite_url, clock=clock, data_dir=tmp_path)
    yield made
    made.close()


@pytest.fixture
def any_door(database_url, tmp_path, clock):
    """A door on each kind of database."""
    made = Door(database_url, clock=clock, data_dir=tmp_path)
    yield made
    made.close()


@pytest.fixture
def echo(monkeypatch):
    """Three more actions for what is true of all of them: Echo answers its text, Keep stores it as an interest's name,
    Break fails as nobody foresaw. Each needs the right ``import``."""
    def say(unit, node):
        return answers.leaf("Echo", nodes.content(node))

    def keep(unit, node):
        interests.create(unit, nodes.content(node))
        return answers.leaf("Keep", "")

    def fail(unit, node):
        raise RuntimeError(f"secret text: {nodes.content(node)}")

    for name, run in (("Echo", say), ("Keep", keep), ("Break", fail)):
        monkeypatch.setitem(ACTIONS, name, Action(name, IMPORT, run))
