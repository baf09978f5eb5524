"""How can Spyne 2.14.0 be imported, without a warning and without a patched file, on Python 3.11 to 3.13?

Spyne's last release (February 2022) meets three things that came later:

* its bundled ``six`` registers an importer with ``find_module`` only; Python 3.12 no longer asks for that;
* two modules import ``cgi``, removed in 3.13, for ``cgi.parse_header`` alone;
* some files hold invalid escapes, a ``SyntaxWarning`` when a fresh installation is compiled.

The work is done when this module is imported (see the package's docstring) and is safe to repeat: Python runs
a module once.
"""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import logging
import sys
import types
import warnings
from collections.abc import Sequence
from email.message import Message
from pathlib import Path


def parse_header(line: str) -> tuple[str, dict[str, str]]:
    """Splits a header such as ``text/xml; charset=utf-8`` into its value and its parameters (PEP 594's advice)."""
    message = Message()
    message["content-type"] = line
    parameters = message.get_params(failobj=[("", "")])
    return parameters[0][0], {name.lower(): value for name, value in parameters[1:]}


class SixFinder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds and loads ``spyne.util.six.moves.*`` in today's protocol, on behalf of six's own importer."""

    def __init__(self, importer: object) -> None:
        self.importer = importer

    def find_spec(self, fullname: str, path: Sequence[str] | None,
                  target: types.ModuleType | None = None) -> importlib.machinery.ModuleSpec | None:
        """A spec for the modules six knows, else None."""
        if fullname not in self.importer.known_modules:
            return None
        return importlib.machinery.ModuleSpec(fullname, self, is_package=self.importer.is_package(fullname))

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> types.ModuleType:
        """The module that six has ready."""
        return self.importer.load_module(spec.name)

    def exec_module(self, module: types.ModuleType) -> None:
        """Nothing: six's modules are objects, not files."""


def load_six() -> types.ModuleType:
    """Loads Spyne's bundled six before Spyne itself asks for it, and replaces the importer it registers."""
    package = importlib.util.find_spec("spyne")  # finds it, does not run it
    if package is None:
        raise ImportError("spyne is not installed")
    name = "spyne.util.six"
    path = Path(package.submodule_search_locations[0], "util", "six.py")
    spec = importlib.util.spec_from_file_location(name, path)
    six = importlib.util.module_from_spec(spec)
    sys.modules[name] = six
    spec.loader.exec_module(six)
    importer = next(finder for finder in sys.meta_path if type(finder).__module__ == name)
    sys.meta_path[sys.meta_path.index(importer)] = SixFinder(importer)
    return six


def load_spyne(six: types.ModuleType) -> types.ModuleType:
    """Imports Spyne and its two users of ``cgi`` while a stand-in is in place; the stand-in goes again.

    Other libraries in the process (WebOb, for one) want the real ``cgi`` or none.
    """
    stand_in = types.ModuleType("cgi", "A stand-in that knows parse_header alone.")
    stand_in.parse_header = parse_header
    real = sys.modules.get("cgi")
    sys.modules["cgi"] = stand_in
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SyntaxWarning)
            warnings.simplefilter("ignore", DeprecationWarning)  # invalid escapes on Python 3.11
            spyne = importlib.import_module("spyne")
            importlib.import_module("spyne.util").six = six
            importlib.import_module("spyne.protocol.soap")
            importlib.import_module("spyne.server.wsgi")
            importlib.import_module("spyne.interface.wsdl")
    finally:
        if real is None:
            del sys.modules["cgi"]
        else:
            sys.modules["cgi"] = real
    return spyne


def tame(spyne: types.ModuleType) -> None:
    """Switches off what must not happen in a server.

    Spyne collects garbage inside a request, at most once a second: 182 ms with 400,000 live objects. At DEBUG it
    logs request bodies and headers, credentials too, and runs two to three times slower. It warns of every second
    application of one name, and each endpoint has two.
    """
    spyne.const.MIN_GC_INTERVAL = float("inf")
    logging.getLogger("spyne").setLevel(logging.WARNING)
    logging.getLogger("spyne.util.appreg").setLevel(logging.ERROR)


if "spyne" in sys.modules:
    raise ImportError("import gateway.spynekit before spyne")
_spyne = load_spyne(load_six())
tame(_spyne)
SPYNE_VERSION = _spyne.__version__
