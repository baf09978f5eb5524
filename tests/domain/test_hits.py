"""The rules of automated hits and of shortened addresses, without a database (SEND-51, SEND-52)."""

import datetime as dt
import ipaddress

import pytest

from gateway.domain.callers import client_ip
from gateway.domain.hits import (
    HIDDEN_URL,
    Hit,
    Seen,
    automated_rule,
    burst_rules,
    is_scanner,
    kept_ip,
    location,
    shorten,
)

NOW = dt.datetime(2026, 1, 15, 12, tzinfo=dt.UTC)
LONG_AGO = NOW - dt.timedelta(hours=1)
BROWSER = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 Mobile/15E148"


@pytest.mark.parametrize(("hit", "is_open", "answered_at", "in_hand", "rule"), [
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
    (Hit("GET", BROWSER), False, None, True, "soon_after_acceptance"),
    (Hit("GET", BROWSER), False, None, False, None),
    (Hit("GET", BROWSER, "203.0.113.0/24", prefetch=True), False, LONG_AGO, False, "prefetch"),
    (Hit("GET", BROWSER, "104.47.9.0/24"), False, LONG_AGO, False, "scanner_network"),
    (Hit("GET", BROWSER, "104.47.9.17"), False, LONG_AGO, False, "scanner_network"),
    (Hit("GET", BROWSER, "2001:db8::/48"), False, LONG_AGO, False, None),
])
def test_automated_rule(hit, is_open, answered_at, in_hand, rule):
    """SEND-52: the first rule that holds is the one stored."""
    assert automated_rule(hit, is_open=is_open, at=NOW, answered_at=answered_at, in_hand=in_hand) == rule


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


def test_networks_of_the_operator():
    """SEND-52: GATEWAY_SCANNER_NETWORKS adds to what is known."""
    networks = (ipaddress.ip_network("203.0.113.0/24"), ipaddress.ip_network("2001:db8::/32"))
    for ip in ("203.0.113.0/24", "2001:db8:7::/48", "203.0.113.9"):
        assert automated_rule(Hit("GET", BROWSER, ip), is_open=True, at=NOW, answered_at=LONG_AGO,
                              networks=networks) == "scanner_network"


def seen(*hits):
    """Hits of one delivery as (seconds, link or None for an open), keyed by their place."""
    return [Seen(str(n), NOW + dt.timedelta(seconds=at), link, BROWSER) for n, (at, link) in enumerate(hits)]


@pytest.mark.parametrize(("hits", "links", "hidden", "marked"), [
    ([(0, 0), (1, 1), (2, 2)], 3, None, {0: "all_links", 1: "all_links", 2: "all_links"}),
    ([(0, 0), (1, 1), (2.001, 2)], 3, None, {}),
    ([(0, 0), (1, 1)], 3, None, {}),
    ([(0, 0)], 1, None, {}),  # a person follows the only link
    ([(0, 0), (0, 0), (60, 0), (60.5, 1)], 2, None, {2: "all_links", 3: "all_links"}),
    ([(0, 1), (3, 0), (3.1, 1), (4.9, 0), (9, 0)], 2, None, {1: "all_links", 2: "all_links", 3: "all_links"}),
    ([(0, 0), (1, 2), (5, 0)], 3, 2, {0: "hidden_link", 1: "hidden_link"}),
    ([(0, 0), (0.1, 1)], 3, 2, {0: "all_links", 1: "all_links"}),  # all that a person can see
    ([(0, 0)], 2, 1, {}),
    ([(0, None), (0.5, 0), (1, 1), (30, None)], 2, None, {0: "all_links", 1: "all_links", 2: "all_links"}),
    ([(2, 2), (0, 0), (1, 1)], 3, None, {0: "all_links", 1: "all_links", 2: "all_links"}),  # in any order
])
def test_neighbours_betray_a_machine(hits, links, hidden, marked):
    """SEND-52: all links within two seconds, and the hidden link with what was followed beside it."""
    assert burst_rules(seen(*hits), range(links), hidden) == {str(n): rule for n, rule in marked.items()}


def test_an_open_of_another_agent_is_not_the_scanners():
    """SEND-52: the picture that a person's own program fetched in that moment stays a person's."""
    machine = [Seen(str(n), NOW, n, "scan") for n in (0, 1)]
    person = Seen("person", NOW, None, BROWSER)
    assert burst_rules([*machine, person], range(2), None) == {"0": "all_links", "1": "all_links"}


def test_many_hits_of_one_delivery_cost_little():
    """A link that somebody calls in a loop must not hold up everybody's events."""
    hits = seen(*((n / 1000, n % 2) for n in range(20_000)))
    assert len(burst_rules(hits, range(2), None)) == 20_000


@pytest.mark.parametrize(("url", "target"), [
    ("https://example.org/a?x=1&y=%20#top", "https://example.org/a?x=1&y=%20#top"),
    ("http://example.org/\r\nSet-Cookie: a=b\x00", "http://example.org/%0D%0ASet-Cookie:%20a=b%00"),
    ("https://example.org/gr\u00fc\u00dfe?q=\u20ac", "https://example.org/gr%C3%BC%C3%9Fe?q=%E2%82%AC"),
    ("https://b\u00fccher.example/x", "https://xn--bcher-kva.example/x"),
    ("HTTPS://Example.org", "HTTPS://Example.org"),
    ("javascript:alert(1)", None), ("//example.org/", None), ("mailto:a@example.org", None), ("https://", None),
    ("http://[::1", None), (HIDDEN_URL, None), ("", None)])
def test_where_a_click_may_lead(url, target):
    """SEND-46: a frozen URL becomes a header that it cannot end, and leads to the web or nowhere."""
    assert location(url) == target


@pytest.mark.parametrize(("how", "kept"), [("shortened", "203.0.113.0/24"), ("full", "203.0.113.77"), ("none", "")])
def test_how_much_of_an_address_is_kept(how, kept):
    """SEND-51: shortened, unless set otherwise."""
    assert kept_ip("203.0.113.77", how) == kept and kept_ip("x", how) == ""


def test_who_says_that_it_is_a_machine():
    """SEND-52."""
    assert is_scanner("Mozilla/5.0 (compatible; SomeBot/1.0)") and not is_scanner(BROWSER) and not is_scanner("")
