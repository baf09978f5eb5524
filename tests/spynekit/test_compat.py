"""Importing Spyne."""

import logging
import os
import subprocess
import sys

from spyne import const

import gateway.spynekit

CLEAN_IMPORT = """
import sys
import gateway.spynekit
assert "cgi" not in sys.modules, "the stand-in stayed"
from spyne import Application, Service, Unicode, rpc
from spyne.protocol.soap import Soap11, Soap12
from spyne.server.wsgi import WsgiApplication
from spyne.interface.wsdl import Wsdl11
from spyne.util.six.moves.urllib.parse import quote
import spyne.util
assert spyne.util.six is sys.modules["spyne.util.six"]
import gateway.spynekit.wsgi, gateway.spynekit.wsdl, gateway.spynekit.wsse, gateway.spynekit.codec
print(spyne.__version__)
"""


def python(code, **environment):
    return subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, timeout=60,
                          env={**os.environ, **environment})


def test_imports_are_clean_with_warnings_as_errors_and_the_cgi_stand_in_is_gone():
    """spyne.md section 1: Imports."""
    done = python(CLEAN_IMPORT)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.strip() == gateway.spynekit.SPYNE_VERSION == "2.14.0"


def test_stock_spyne_does_not_import_with_warnings_as_errors():
    """spyne.md section 1: six's importer and cgi warn on 3.11 and fail later."""
    assert python("import spyne.server.wsgi").returncode != 0


def test_importing_spyne_first_is_told_apart():
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", "import sys, types; "
                           "sys.modules['spyne'] = types.ModuleType('spyne'); import gateway.spynekit"],
                          capture_output=True, text=True, timeout=60)
    assert "import gateway.spynekit before spyne" in done.stderr


def test_no_garbage_collection_inside_requests():
    """spyne.md section 1, defect 9: ctx.close() collects garbage at most once a second by default."""
    assert const.MIN_GC_INTERVAL == float("inf")
    code = "import importlib.util as u; print(u.find_spec('spyne').submodule_search_locations[0])"
    source = os.path.join(python(code).stdout.strip(), "const", "__init__.py")
    with open(source) as file:
        assert "MIN_GC_INTERVAL = 1.0" in file.read()


def test_spyne_never_logs_at_debug():
    """At DEBUG Spyne logs bodies and headers, credentials too."""
    assert not logging.getLogger("spyne.server.wsgi").isEnabledFor(logging.DEBUG)


def test_spyne_does_not_warn_of_the_second_soap_version():
    """Each endpoint has two applications of one name; Spyne takes that for a mistake."""
    assert not logging.getLogger("spyne.util.appreg").isEnabledFor(logging.WARNING)
