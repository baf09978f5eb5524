"""Where bounces come in is a setting; a mistake in it is said at start (operator.md, Settings)."""

from pathlib import Path

import pytest

from gateway import settings
from gateway.db.engine import sqlite_file
from gateway.errors import SettingsError

KEY = {"GATEWAY_SECRET_KEY": "k" * 40}


@pytest.mark.parametrize("name, field, text", [
    ("GATEWAY_BOUNCE_LISTEN", "bounce_listen", "lmtp://127.0.0.1:8024, smtp://[::1]:2525 ,lmtp:///run/x.sock"),
    ("GATEWAY_BOUNCE_MAILBOX", "bounce_mailbox", "maildir:///var/mail/b, imaps://u:p%40@mail.example.org/IN?move=Done"),
    ("GATEWAY_BOUNCE_LISTEN", "bounce_listen", ""),
])
def test_good_ones(name, field, text):
    found = settings.load({**KEY, name: text})
    assert getattr(found, field) == tuple(part.strip() for part in text.split(",") if part.strip())
    assert "p%40" not in repr(found)


@pytest.mark.parametrize("name, text", [
    ("GATEWAY_BOUNCE_LISTEN", "lmtp://127.0.0.1"), ("GATEWAY_BOUNCE_LISTEN", "smtp:///run/x"),
    ("GATEWAY_BOUNCE_LISTEN", "http://127.0.0.1:80"), ("GATEWAY_BOUNCE_LISTEN", "lmtp://127.0.0.1:99999"),
    ("GATEWAY_BOUNCE_LISTEN", "lmtp://127.0.0.1:0"), ("GATEWAY_BOUNCE_LISTEN", "8024"),
    ("GATEWAY_BOUNCE_MAILBOX", "maildir://host/x"), ("GATEWAY_BOUNCE_MAILBOX", "pop3://u:secret@host"),
    ("GATEWAY_BOUNCE_MAILBOX", "imaps:///INBOX"),
])
def test_bad_ones(name, text):
    with pytest.raises(SettingsError, match=name) as caught:
        settings.load({**KEY, name: text})
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("folder", ["/srv/a?b/data", "/srv/a%20b"])
def test_a_data_folder_whose_database_would_lie_elsewhere_is_refused(folder):
    with pytest.raises(SettingsError, match="GATEWAY_DATA_DIR must not have") as caught:
        settings.load({**KEY, "GATEWAY_DATA_DIR": folder})
    assert "choose another folder" in str(caught.value)
    url = "sqlite:////srv/gateway.db"
    assert settings.load({**KEY, "GATEWAY_DATA_DIR": folder, "GATEWAY_DATABASE_URL": url}).database_url == url


@pytest.mark.parametrize("folder", ["/srv/100% ours", "/srv/ä b#c;d'e"])
def test_a_data_folder_with_other_letters_has_its_database(folder):
    found = settings.load({**KEY, "GATEWAY_DATA_DIR": folder})
    assert sqlite_file(found.database_url) == Path(folder) / "gateway.db"
