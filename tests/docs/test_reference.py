"""Is everything that exists described, and does everything that is described exist?"""

from __future__ import annotations

import argparse
import re
import subprocess

import pytest

from gateway import cli, settings
from gateway.errors import CATALOGUE
from gateway.push.app import make_app
from gateway.soap.server import OPERATIONS
from tests.support.installation import ROOT
from tests.support.world import World

DOCS = ROOT / "docs"


def read(name: str) -> str:
    """A document's text."""
    return (DOCS / name).read_text(encoding="utf-8")


def test_every_setting_is_described_and_no_other():
    """operator.md, Settings: the names in the code and in docs/settings.md are the same."""
    assert set(re.findall(r"^\| `(GATEWAY_[A-Z_]+)`", read("settings.md"), re.M)) == set(settings.NAMES)
    named = {name for path in (ROOT / "README.md", DOCS / "operations.md", ROOT / "compose.yaml",
                                                  ROOT / "Dockerfile", ROOT / "clients/python/README.md")
             for name in re.findall(r"\bGATEWAY_[A-Z_]+\b", path.read_text(encoding="utf-8"))}
    assert named <= set(settings.NAMES)


def test_every_error_code_is_described_with_its_status():
    """SOAP-86: each code stands in docs/errors.md with its HTTP status, side, retry and meaning."""
    rows = {cells[0].strip("`"): cells[1:] for cells in (
        [cell.strip() for cell in line.strip("|").split("|")] for line in read("errors.md").splitlines()
        if re.match(r"\| `[A-Z_]+` \|", line))}
    assert set(rows) == set(CATALOGUE)
    for code, cells in rows.items():
        entry = CATALOGUE[code]
        assert entry.meaning in cells, code
        if len(cells) == 5:
            assert cells[:3] == [str(entry.status), entry.side, "yes" if entry.retryable else "no"], code
        elif len(cells) == 3:
            assert cells[0] == str(entry.status), code
        assert cells[-1] not in ("", entry.meaning), f"{code} has no remedy"


def _commands(parser: argparse.ArgumentParser, path: str = "gateway"):
    """(words of a command, its options) of every command."""
    for action in parser._actions:  # argparse shows them nowhere else
        if isinstance(action, argparse._SubParsersAction):
            for name, child in action.choices.items():
                yield from _commands(child, f"{path} {name}")
            return
    yield path, {text for action in parser._actions for text in action.option_strings if text.startswith("--")}


def test_every_command_and_option_is_described(monkeypatch):
    """operator.md, Command line: docs/operations.md has a row for each command with its options, and no other."""
    caught = []
    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", lambda self, _arguments: caught.append(self) or 1 / 0)
    with pytest.raises(ZeroDivisionError):
        cli.main([])
    commands = dict(_commands(caught[0]))
    rows = dict(re.findall(r"^\| `(gateway [a-z-]+(?: [a-z]+)?)(.*?)` \|", read("operations.md"), re.M))
    assert set(rows) == set(commands)
    everywhere = {"--help", "--json", "--config"}
    for command, options in commands.items():
        described = set(re.findall(r"--[a-z-]+", rows[command]))
        assert described - everywhere == options - everywhere, command
    for option in everywhere:
        assert option in read("operations.md")


def test_every_soap_operation_is_described_and_no_other():
    """SOAP-6: docs/soap.md names each operation in its table."""
    table = read("soap.md").partition("## Operations")[2].partition("\n## ")[0]
    named = re.findall(r"`([A-Z]\w+)`", table)
    assert sorted(named) == sorted(each.name for each in OPERATIONS)


def test_every_soap_operation_has_an_example():
    """docs/soap.md is an API by example."""
    examples = read("soap.md").partition("## Credentials")[2]
    assert [each.name for each in OPERATIONS if f"{each.name}" not in examples] == []


def test_every_push_route_is_described_and_no_other(sqlite_url):
    """PUSH section 4: docs/push.md has each method and path in its table, and an example of most."""
    world = World(sqlite_url)
    try:
        routes = {(method, re.sub(r"<[^>]+>", "{id}", rule.rule))
                  for rule in make_app(world.gateway).url_map.iter_rules()
                  for method in rule.methods - {"HEAD", "OPTIONS"}}
    finally:
        world.gateway.close()
    table = read("push.md").partition("## Credentials")[0]
    named = {(method, re.sub(r"{\w+}", "{id}", path)) for method, path in re.findall(
        r"`(GET|POST|PATCH|PUT|DELETE) /push/v1(/[a-z/{}]+(?:\.json)?)", table)}
    assert named == routes


def _tracked():
    names = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout
    for name in names.decode().split("\0"):
        path = ROOT / name
        if name and path.is_file() and not path.is_symlink():
            yield name, path.read_bytes().decode("utf-8", "replace")


FOREIGN = {
    "a machine's path": re.compile(r"/(?:root|home|Users|work)/[a-z]"),
    "a temporary path": re.compile(r"(?<![\w.-])/(?:var/)?tmp/[A-Za-z0-9]"),
    "a registry's host": re.compile(r"\bpypi\.org\b|\bpythonhosted\.org\b|--(?:extra-)?index-url\b|\bartifactory\b"),
    "a private address": re.compile(r"https?://(?:10\.\d+|192\.168|172\.(?:1[6-9]|2\d|3[01]))\.\d+"),
    "a private key": re.compile(r"-----BEGIN (?:RSA |EC )?PRIVATE KEY"),
}


def test_the_repository_names_no_machine_no_registry_and_no_secret():
    """The repository speaks of the product alone."""
    found = [f"{name}: {what}: {hit[0]}" for name, text in _tracked() if name != "tests/docs/test_reference.py"
             for what, pattern in FOREIGN.items() for hit in pattern.finditer(text)]
    assert found == []


def test_every_link_between_documents_leads_somewhere():
    """A document that is promised is there."""
    for path in (ROOT / "README.md", ROOT / "CHANGELOG.md", *DOCS.glob("*.md"), *ROOT.glob("clients/*/README.md"),
                 ROOT / "wsdl/README.md"):
        for link in re.findall(r"\]\((?!https?:)([^)#]+)", path.read_text(encoding="utf-8")):
            assert (path.parent / link).exists(), f"{path.name} leads to {link}"
