"""A SOAP door on a fresh database for each test."""

import pytest

from tests.soap.door import Door


@pytest.fixture
def door(sqlite_url, tmp_path, clock):
    """A door on SQLite, with the clock of the fixture ``clock``."""
    made = Door(sqlite_url, clock=clock, data_dir=tmp_path)
    yield made
    made.world.close()


@pytest.fixture
def any_door(database_url, tmp_path, clock):
    """A door on each kind of database."""
    made = Door(database_url, clock=clock, data_dir=tmp_path)
    yield made
    made.world.close()


@pytest.fixture(params=["1.1", "1.2"])
def version(request):
    """Both SOAP versions."""
    return request.param
