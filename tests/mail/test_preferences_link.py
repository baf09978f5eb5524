"""The link to the preference form: only where the author names it, never tracked, another token than the others."""

import datetime as dt

import pytest

from gateway.domain import tokens
from gateway.domain.tokens import Keys, Kind, Token
from gateway.mail.message import MailingContent, Recipient, compile_mailing

KEYS = Keys.from_secret(b"k" * 32)
NOW = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)
URL = "https://news.example.org"
PATH = "/p/" + tokens.mint(KEYS, Token(Kind.PREFERENCES, 9, 77))


def rendered(html, text=""):
    """The parts as recipient 77 reads them, and the frozen links."""
    content = MailingContent("News", "Office", "news@example.org", "", html, text)
    compiled = compile_mailing(content, public_url=URL, list_id="news.example.org", keys=KEYS)
    recipient = Recipient(9, 5, 77, "ada@example.org", {"preferences_url": "https://evil.example"})
    return compiled.render(recipient, NOW), compiled.links


def test_it_stands_where_it_is_named():
    """SEND-45, SEND-46: in both parts, whole, not tracked; a value of that name cannot replace it."""
    message, links = rendered('<p><a href="{{ preferences_url }}">Your choices</a></p>')
    assert f'href="{URL}{PATH}"' in message.html and f"Your choices ({URL}{PATH})" in message.text
    assert not [link for link in links if "/p/" in link] and "evil" not in message.html + message.text
    assert tokens.read(KEYS, PATH[3:]) == Token(Kind.PREFERENCES, 9, 77)


@pytest.mark.parametrize("html", [
    "<p>{{ preferences_url }}</p>", '<a href="{{preferences_url|upper}}">x</a>',
    "{% if preferences_url %}<p>{{ preferences_url }}</p>{% endif %}"])
def test_in_other_places(html):
    """SEND-39: as any merge tag."""
    assert PATH.lower() in rendered(html)[0].html.lower()


def test_who_does_not_name_it_pays_nothing():
    """SEND-39: no token, no byte."""
    message, _ = rendered("<p>x</p>")
    assert "/p/" not in message.html + message.text


def test_a_token_of_one_page_is_none_of_the_other():
    """SEND-45: a kind of its own."""
    assert tokens.path(Token(Kind.PREFERENCES, 9, 77), "x") == "/p/x"
    assert tokens.mint(KEYS, Token(Kind.UNSUBSCRIBE, 9, 77)) != PATH[3:]
