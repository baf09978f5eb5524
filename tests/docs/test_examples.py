"""Do the examples of the documents work as they are written, and answer what is shown?"""

from __future__ import annotations

import contextlib
import gc
import io
import json
import os
import re
import warnings
from pathlib import Path

import pytest

from tests.support.installation import ROOT, Installation
from tests.support.markdown import Shell, blocks, differences, last_json
from tests.support.smtp_sink import SmtpSink

DOCS = ROOT / "docs"


@pytest.fixture
def place(tmp_path):
    """A server of brand 9999 that mails to a sink; its user has the password of the documents."""
    with SmtpSink() as sink, Installation(tmp_path, GATEWAY_SMTP_URL=sink.url) as made:
        made.brand()
        made.serve()
        yield made


def run(name: str, place: Installation, monkeypatch: pytest.MonkeyPatch) -> int:
    """Runs every example of a document in order and answers how many answers were compared."""
    monkeypatch.chdir(place.folder)
    shell, names, said, compared = Shell(place.folder, place.environ), {"__name__": "example"}, "", 0
    wrong = []
    for block in blocks(DOCS / name):
        text = block.text.replace("http://127.0.0.1:8080", place.url)
        if block.language == "sh":
            said = shell.run(text)
        elif block.language == "python":
            said = python(text, block.place, names, shell, monkeypatch)
        elif block.language == "json":
            last = last_json(said)
            found = differences(json.loads(text), last)
            wrong += [f"{block.place}: {found}\n    {last}"] if found else []
            compared += 1
        elif block.language == "text":
            pattern = re.escape(text.strip()).replace(re.escape("..."), ".*")
            if not re.fullmatch(pattern, said.strip()):
                wrong.append(f"{block.place}: shown is\n{text}\nreal is\n{said}")
            compared += 1
        else:
            assert block.language == "xml", f"{block.place}: say what language this is"
    shell.close()
    assert not wrong, "\n".join(wrong)
    return compared


def python(text: str, where: str, names: dict[str, object], shell: Shell, monkeypatch: pytest.MonkeyPatch) -> str:
    """Runs a Python example with the names of those before it; it sees the shell's KEY as if it were exported."""
    monkeypatch.setitem(os.environ, "KEY", shell.run("echo $KEY").strip())
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(compile(text, where, "exec"), names)  # what a reader would run
    return out.getvalue()


def test_push_by_example(place, monkeypatch):
    """docs/push.md is true."""
    assert run("push.md", place, monkeypatch) >= 25


def test_no_answer_is_shown_that_does_not_follow_an_example():
    """Every shown answer belongs to the example before it."""
    for name in ("push.md", "soap.md"):
        languages = [block.language for block in blocks(DOCS / name)]
        for before, after in zip(["", *languages], languages, strict=False):
            assert after not in ("json", "text") or before in ("sh", "python"), name


def test_differences_are_found():
    """The comparison itself: shown members must be there and equal, lists as long as shown."""
    real = {"a": 1, "b": [{"c": "x"}], "d": "anything"}
    assert differences({"a": 1, "b": [{"c": "x"}], "d": "..."}, real) == []
    assert differences({"a": 2}, real) and differences({"e": 1}, real) and differences({"b": []}, real)
    assert Path(DOCS / "push.md").is_file()


def test_soap_by_example(place, monkeypatch):
    """docs/soap.md is true."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # the examples leave their sessions open, as readers do
        assert run("soap.md", place, monkeypatch) >= 10
        gc.collect()
