"""The rules of automated hits and of shortened addresses, without a database (SEND-51, SEND-52)."""

import datetime as dt
import ipaddress

import pytest

from gateway.domain.callers import client_ip
from gateway.domain.hits import Hit, automated_rule, shorten

NOW = dt.datetime(2026, 1, 15, 12, tzinfo=dt.UTC)
LONG_AGO = NOW - dt.timedelta(hours=1)
BROWSER = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 Mobile/15E148"


@pytest.mark.parametrize(("hit", "is_open", "accepted_at", "in_doubt", "rule"), [
    (Hit("GET", BROWSER), True, LONG_AGO, False, None),
    (Hit("GET", BROWSER), False, LONG_AGO, False, None),
    (Hit("HEAD", BROWSER), False, LONG_AGO, False, "head"),
    (Hit("GET", " "), True, LONG_AGO, False, "no_agent"),
    (Hit("GET", "BarracudaCentral"), False, LONG_AGO, False, "scanner_agent"),
    (Hit("GET", "Wget/1.21"), False, LONG_AGO, False, "scanner_agent"),
    (Hit("GET", "YahooMailProxy; https://help.yahoo.com"), True, LONG_AGO, False, "image_proxy"),
    (Hit("GET", "YahooMailProxy; https://help.yahoo.com"), False, LONG_AGO, False, None),
    (Hit("GET", "Mozilla/5.0"), True, LONG_AGO, False, "privacy_proxy"),
    (Hit("GET", "Mozilla/5.0"), False, LONG_AGO, False, None),
    (Hit("GET", BROWSER), True, NOW - dt.timedelta(seconds=2), False, None),
    (Hit("GET", BROWSER), True, NOW - dt.timedelta(seconds=1.999), False, "soon_after_acceptance"),
    (Hit("GET", BROWSER), False, None, False, "soon_after_acceptance"),
    (Hit("GET", BROWSER), False, None, True, None),
])
def test_automated_rule(hit, is_open, accepted_at, in_doubt, rule):
    """SEND-52: the first rule that holds is the one stored."""
    assert automated_rule(hit, is_open=is_open, at=NOW, accepted_at=accepted_at, in_doubt=in_doubt) == rule


@pytest.mark.parametrize(("ip", "kept"), [
    ("203.0.113.77", "203.0.113.0/24"), ("2001:db8:aa:bb::1", "2001:db8:aa::/48"), ("fe80::1%eth0", "fe80::/48"),
    ("::ffff:203.0.113.77", "203.0.113.0/24"), ("", ""), ("localhost", ""), ("1.2.3.4.5", "")])
def test_shorten(ip, kept):
    """SEND-51: /24 and /48, also of an IPv4 address in IPv6 clothes."""
    assert shorten(ip) == kept


@pytest.mark.parametrize(("remote", "forwarded", "found"), [
    ("198.51.100.1", "1.1.1.1", "198.51.100.1"), ("10.1.1.1", "", "10.1.1.1"), ("10.1.1.1", "1.1.1.1", "1.1.1.1"),
    ("10.1.1.1", "6.6.6.6, 1.1.1.1", "1.1.1.1"), ("10.1.1.1", "1.1.1.1, 10.2.2.2", "1.1.1.1"),
    ("10.1.1.1", "10.3.3.3, 10.2.2.2", "10.3.3.3"), ("", "1.1.1.1", "")])
def test_client_ip(remote, forwarded, found):
    """What a client writes into the header itself is not believed."""
    assert client_ip(remote, forwarded, [ipaddress.ip_network("10.0.0.0/8")]) == found
