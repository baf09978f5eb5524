"""Do the arrows of docs/architecture.md ("Who may import whom") hold? Every finding names file, line and rule."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FILES = sorted((ROOT / "gateway").rglob("*.py"))
MAX_LINES = 400

BASE = {"errors", "clock", "settings", "log", "base"}
"""Modules directly in gateway/ that everybody may use; ``base`` stands for ``gateway`` itself."""

ARROWS: dict[str, set[str]] = {
    "base": BASE,
    "domain": {"errors"},
    "formats": {"domain"} | BASE,
    "db": {"domain"} | BASE,
    "mail": {"domain"} | BASE,
    "bridges": {"domain"} | BASE,
    "services": {"db", "mail", "bridges", "formats", "domain"} | BASE,
    "spynekit": BASE,
    "soap": {"spynekit", "services", "domain", "formats"} | BASE,
    "aapi": {"spynekit", "services", "domain", "formats"} | BASE,
    "push": {"services", "domain", "formats"} | BASE,
    "public": {"services", "domain", "formats"} | BASE,
    "console": {"services", "domain", "formats"} | BASE,
    "worker": {"services", "domain", "formats"} | BASE,
    "intake": {"services", "domain"} | BASE,
    "server": BASE,  # the HTTP server of the composition root
    "cli": {"app", "server", "domain"} | BASE,  # domain: the words of options (roles, scopes, kinds)
    "__main__": {"cli"},
}
"""Package -> what it may import besides itself. Those of ``ROOTS`` are absent: they import everything."""
ROOTS = {"app", "doors"}
"""The composition root, and the doors, which it loads when something is served."""

THIRD_PARTY: dict[str, set[str]] = {
    "sqlalchemy": {"db", "bridges"},
    "alembic": {"db"},
    "psycopg": {"db", "bridges"},
    "spyne": {"spynekit", "soap", "aapi"},  # the types of the SOAP doors are Spyne models: soap/ declares them
    "lxml": {"spynekit", "bridges"},
    "flask": {"push", "public", "console"},
    "werkzeug": {"push", "public", "console"},
    "jinja2": {"mail", "public", "console"},
    "markupsafe": {"mail", "public", "console"},
    "dramatiq": {"worker"},
    "pika": {"worker"},
    "redis": {"worker"},
    "zeep": {"bridges"},
    "requests": {"bridges"},
    "urllib3": {"bridges"},  # below requests: its errors, and the connections to cut
    "cryptography": {"mail", "services"},
    "flufl": {"mail"},  # detectors of bounces that keep to no standard
    "dns": {"mail"},
    "dotenv": {"base"},
    "ua_parser": {"services"},  # which mail program a hit came from
    "cronsim": {"services"},  # when a schedule comes round
    "waitress": {"cli", "server"},
}
"""Library -> the packages it lives in, besides ``app``, which puts the parts together. A library that is not here has
no place yet: give it one on purpose."""

LONG_FILES: dict[str, str] = {
    "gateway/db/migrations/versions/0001_first_schema.py": "one table after the other; nobody reads it as a flow",
}


def package_of(path: Path) -> str:
    """The row of the table that a file belongs to."""
    parts = path.relative_to(ROOT / "gateway").with_suffix("").parts
    if len(parts) > 1:
        return parts[0]
    return "base" if parts[0] in BASE or parts[0] == "__init__" else parts[0]


def imports(tree: ast.AST) -> Iterator[tuple[ast.stmt, str, str]]:
    """Each import as (statement, module, name), with an empty name for ``import module``."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node, alias.name, "") for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield from ((node, node.module or "", alias.name) for alias in node.names)


def target_of(module: str, name: str) -> str:
    """The row of the table that ``from module import name`` reaches."""
    parts = module.split(".")
    if len(parts) > 1:
        return parts[1]
    is_module = (ROOT / "gateway" / name).is_dir() or (ROOT / "gateway" / f"{name}.py").is_file()
    return name if name and is_module else "base"


def findings(check):
    found = []
    for path in FILES:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        place = path.relative_to(ROOT).as_posix()
        found += sorted({f"{place}:{line}: {text}" for line, text in check(path, tree)})
    return "\n".join(found)


def arrows(path, tree):
    package = package_of(path)
    if package in ROOTS:
        return
    if package not in ARROWS:
        yield 1, f"the package {package!r} is not in the import table"
        return
    for node, module, name in imports(tree):
        if module.split(".")[0] != "gateway":
            continue
        target = target_of(module, name)
        if target != package and target not in ARROWS[package]:
            yield node.lineno, f"{package} may not import {target} ({module})"


def third_party(path, tree):
    package = package_of(path)
    for node, module, _name in imports(tree):
        library = module.split(".")[0]
        if library == "gateway" or library in sys.stdlib_module_names:
            continue
        if library not in THIRD_PARTY:
            yield node.lineno, f"the library {library!r} has no place in the import table"
        elif package not in THIRD_PARTY[library] | ROOTS:
            yield node.lineno, f"{library} lives only in {', '.join(sorted(THIRD_PARTY[library]))}, not in {package}"


def relative(_path, tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.level:
            yield node.lineno, "imports are absolute"


def inside_functions(_path, tree):
    for function in ast.walk(tree):
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            for node in ast.walk(function):
                if isinstance(node, ast.Import | ast.ImportFrom):
                    yield node.lineno, "imports stand at the top of the module, not inside functions"


def underscores(_path, tree):
    modules = set()
    for node, module, name in imports(tree):
        if module.split(".")[0] != "gateway":
            continue
        if name.startswith("_") and not name.startswith("__"):
            yield node.lineno, f"{name} is private to {module}"
        aliases = {alias.asname or alias.name for alias in node.names}
        modules |= {alias for alias in aliases if (ROOT / (module + "." + alias).replace(".", "/")).exists()
                    or (ROOT / f"{(module + '.' + alias).replace('.', '/')}.py").exists()}
    for node in ast.walk(tree):
        if (isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in modules
                and node.attr.startswith("_") and not node.attr.startswith("__")):
            yield node.lineno, f"{node.attr} is private to the module {node.value.id}"


def length(path, _tree):
    lines = len(path.read_text(encoding="utf-8").splitlines())
    if lines > MAX_LINES and path.relative_to(ROOT).as_posix() not in LONG_FILES:
        yield lines, f"a file has at most {MAX_LINES} lines"


def docstrings(_path, tree):
    if not ast.get_docstring(tree):
        yield 1, "a module opens with a docstring that says which question it answers"


RULES = [arrows, third_party, relative, inside_functions, underscores, length, docstrings]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_house_is_built_as_planned(rule):
    found = findings(rule)
    assert not found, f"rule {rule.__name__}:\n{found}"


SAMPLES = {
    arrows: ("services", "import gateway.soap.faults"),
    third_party: ("domain", "import sqlalchemy"),
    relative: ("mail", "from . import links"),
    inside_functions: ("mail", "def f():\n    import os"),
    underscores: ("db", "from gateway.db.engine import _translated"),
}


@pytest.mark.parametrize("rule", SAMPLES, ids=lambda rule: rule.__name__)
def test_each_rule_finds_its_sample(rule):
    package, source = SAMPLES[rule]
    assert list(rule(ROOT / "gateway" / package / "sample.py", ast.parse(source)))


@pytest.mark.parametrize("package, module", [
    ("soap", "gateway.push.app"), ("push", "gateway.db.engine"), ("public", "gateway.mail.links"),
    ("worker", "gateway.bridges.port"), ("domain", "gateway.log"), ("spynekit", "gateway.domain.mailing"),
    ("db", "gateway.services.jobs"), ("aapi", "gateway.soap.faults"),
])
def test_the_table_forbids_what_it_should(package, module):
    assert list(arrows(ROOT / "gateway" / package / "sample.py", ast.parse(f"import {module}")))


def test_the_command_line_reaches_services_only_through_the_composition_root():
    assert list(arrows(ROOT / "gateway" / "cli" / "sample.py", ast.parse("from gateway.services import jobs")))
