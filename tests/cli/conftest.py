"""How do tests type commands in their own process?"""

from __future__ import annotations

import io
import logging
import os

import pytest

from gateway import cli


@pytest.fixture
def typed(tmp_path, monkeypatch, capsys):
    """Runs commands in this process, which is quick: answers exit code, standard output and standard error."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("GATEWAY_")]:
        monkeypatch.delenv(name)

    def run(*arguments, stdin=""):
        monkeypatch.setattr("sys.stdin", io.StringIO(stdin))
        try:
            code = cli.main(arguments)
        except SystemExit as left:
            code = left.code
        said = capsys.readouterr()
        assert "Traceback" not in said.err
        return code, said.out, said.err

    root = logging.getLogger()
    before = root.handlers[:], root.level
    yield run
    root.handlers[:], root.level = before


@pytest.fixture
def branded(typed):
    """The same with brand 9999."""
    assert typed("init")[0] == 0
    assert typed("brand", "add", "--id", "9999", "--name", "Test Brand")[0] == 0
    return typed
