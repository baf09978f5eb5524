"""Fixtures of the clients' tests: one real server and one mail server for a module."""

from __future__ import annotations

import pytest

from tests.support.installation import Installation
from tests.support.smtp_sink import SmtpSink


@pytest.fixture(scope="module")
def sink():
    """A mail server."""
    with SmtpSink() as running:
        yield running


@pytest.fixture(scope="module")
def server(tmp_path_factory, sink):
    """A served gateway on SQLite with brand 9999 and its admin."""
    with Installation(tmp_path_factory.mktemp("server"), GATEWAY_SMTP_URL=sink.url) as made:
        made.brand()
        made.serve()
        yield made
