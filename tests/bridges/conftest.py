"""Every bridge there is: the conformance tests run once on each."""

from contextlib import closing

import pytest

from tests.support.ams import MemoryAms, SqlAms, sqlite_ams
from tests.support.folder_ams import FolderAms
from tests.support.http_ams import PAGINGS, HttpAms
from tests.support.mariadb import MariadbMissing, server
from tests.support.soap_ams import SoapAms
from tests.support.soap_wsdl import VARIANTS


@pytest.fixture(params=["sql on sqlite", "sql on postgresql", "sql on mariadb", "memory", "folder",
                        *(f"http {name}" for name in PAGINGS), *(f"soap {name}" for name in VARIANTS)])
def ams(request, tmp_path):
    """An empty foreign system."""
    if request.param == "memory":
        yield MemoryAms()
    elif request.param == "sql on sqlite":
        yield sqlite_ams(tmp_path)
    elif request.param == "sql on mariadb":
        yield SqlAms(request.getfixturevalue("mariadb_url"))
    elif request.param == "folder":
        yield FolderAms(tmp_path)
    elif request.param.startswith("http "):
        with closing(HttpAms(request.param.removeprefix("http "))) as made:
            yield made
    elif request.param.startswith("soap "):
        with closing(SoapAms(request.param.removeprefix("soap "))) as made:
            yield made
    else:
        yield SqlAms(request.getfixturevalue("postgres_url"))


@pytest.fixture(params=["sqlite", "postgresql", "mariadb"])
def sql_ams(request):
    """An empty foreign database of each engine."""
    return request.getfixturevalue("sql_ams_of")(request.param)


@pytest.fixture
def sql_ams_of(request, tmp_path):
    """Makes an empty foreign database of an engine."""
    urls = {"postgresql": "postgres_url", "mariadb": "mariadb_url"}
    return lambda engine: SqlAms(request.getfixturevalue(urls[engine])) if engine in urls else sqlite_ams(tmp_path)


@pytest.fixture(scope="session")
def mariadb_server():
    """A private MariaDB server of this test process. Without one the tests fail; they are never skipped."""
    try:
        with server() as running:
            yield running
    except MariadbMissing as missing:
        pytest.fail(str(missing), pytrace=False)


@pytest.fixture(scope="session")
def mariadb_url(mariadb_server):
    """The URL of an empty database, shared by the session."""
    return mariadb_server.create("foreign")
