"""Every bridge there is: the conformance tests run once on each."""

import pytest

from tests.support.ams import MemoryAms, SqlAms, sqlite_ams


@pytest.fixture(params=["sql on sqlite", "sql on postgresql", "memory"])
def ams(request, tmp_path):
    """An empty foreign system."""
    if request.param == "memory":
        return MemoryAms()
    if request.param == "sql on sqlite":
        return sqlite_ams(tmp_path)
    return SqlAms(request.getfixturevalue("postgres_url"))


@pytest.fixture(params=["sqlite", "postgresql"])
def sql_ams(request, tmp_path):
    """An empty foreign database of each engine."""
    return sqlite_ams(tmp_path) if request.param == "sqlite" else SqlAms(request.getfixturevalue("postgres_url"))
