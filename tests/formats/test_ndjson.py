"""One JSON object a line."""

import pytest

from gateway.formats.encoding import MAX_LINE, decode, lines
from gateway.formats.ndjson import read


def rows(data, charset=None):
    return list(read(lines(decode([data if isinstance(data, bytes) else data.encode()], charset))))


def test_records_and_line_numbers():
    """PUSH-57, PUSH-72: empty lines are passed over but counted."""
    found = rows('{"remoteId": 17, "email": "a@b.org"}\r\n\n{"email": "c@d.org", "fields": {"City": null}}')
    assert [(r.remote_id, r.email, r.values, r.line) for r in found] == [
        ("17", "a@b.org", {}, 1), (None, "c@d.org", {"City": None}, 3)]


@pytest.mark.parametrize(("line", "code"), [
    (b"{", "INVALID_VALUE"), (b"[1]", "INVALID_VALUE"), (b'{"email": NaN}', "INVALID_VALUE"),
    (b'{"email": "a@b.org", "email": "c@d.org"}', "INVALID_VALUE"), (b"[" * 100_000, "INVALID_VALUE"),
    (b"\xff", "INVALID_CHARACTER"), (b'{"email": "' + b"x" * MAX_LINE + b'"}', "FIELD_TOO_LONG")])
def test_bad_line_fails_alone(line, code):
    """PUSH-5, PUSH-59, PUSH-79 for one line of many: the row fails, its neighbours do not."""
    found = rows(b'{"email": "a@b.org"}\n' + line + b'\n{"email": "c@d.org"}\n')
    assert [r.problem.code if r.problem else r.email for r in found] == ["a@b.org", code, "c@d.org"]


def test_utf_16():
    """PUSH-59: any declared charset, as for CSV."""
    assert rows('{"email": "zoë@example.org"}\n'.encode("utf-16"))[0].email == "zoë@example.org"
