"""Fixtures of the public pages: a person's browser."""

import pytest

from gateway.public.app import make_app

BROWSER = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"


@pytest.fixture
def browser(house):
    """A person's browser on the public pages."""
    client = make_app(house.gateway).test_client()
    client.environ_base["HTTP_USER_AGENT"] = BROWSER
    return client
