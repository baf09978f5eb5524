"""Fixtures of the public pages: a sent mailing and a browser."""

import pytest

from gateway.public.app import make_app
from tests.support.mailhouse import MailHouse
from tests.support.smtp_sink import SmtpSink

BROWSER = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"


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


@pytest.fixture
def browser(house):
    """A person's browser on the public pages."""
    client = make_app(house.gateway).test_client()
    client.environ_base["HTTP_USER_AGENT"] = BROWSER
    return client
