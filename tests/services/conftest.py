"""Fixtures of the service tests: a mail room with a scripted mail server."""

import pytest

from tests.support.mailhouse import MailHouse
from tests.support.smtp_sink import SmtpSink


@pytest.fixture
def sink():
    """A mail server that takes everything, but for what its script says."""
    with SmtpSink() as running:
        yield running


@pytest.fixture
def house(database_url, clock, tmp_path, sink):
    """A gateway with brands 1 and 2 that mails to ``sink``; once on each database."""
    with MailHouse(database_url, clock, tmp_path, smtp_url=sink.url, brands=(1, 2)) as made:
        yield made
