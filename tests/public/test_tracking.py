"""Opens and clicks, as mail clients and browsers make them (SEND-24, SEND-45..47, SEND-50..52)."""

import time

import pytest
import sqlalchemy as sa

from gateway.db.models.mailings import delivery
from gateway.domain.tokens import Keys, Kind, Token, mint
from gateway.errors import GatewayError
from gateway.services import tracking
from tests.public.conftest import BROWSER
from tests.support.mailreader import read
from tests.support.world import SECRET


@pytest.fixture
def sent(house, sink):
    """An instance sent to Ann, five seconds ago, and her mail."""
    house.add_person("ann@example.org", remote_id="17", values={"FirstName": "Ann"})
    instance_id = house.send()
    house.clock.advance(seconds=5)
    return instance_id, read(sink.messages[0].data)


def hits(house, instance_id):
    return [(e.type, e.automated, e.rule) for e in house.events(instance_id) if e.type != "sent"]


def test_an_open_is_a_picture_and_an_event(house, browser, sent):
    """SEND-47, SEND-49: a 1x1 GIF that is never cached; each hit is one event with all it belongs to."""
    instance_id, mail = sent
    answer = browser.get(mail.pixel)
    assert answer.status_code == 200 and answer.data.startswith(b"GIF89a")
    assert answer.content_type == "image/gif" and "no-store" in answer.headers["Cache-Control"]
    browser.get(mail.pixel)
    opened = [e for e in house.events(instance_id) if e.type == "opened"]
    assert len(opened) == 2
    assert (opened[0].address, opened[0].remote_id, opened[0].automated) == ("ann@example.org", "17", False)
    assert opened[0].delivery_id == house.deliveries(instance_id)[0].id
    report = house.check_sums(instance_id)
    assert (report.opens.total, report.opens.unique) == (2, 1)


def test_a_click_goes_to_its_link_at_once(house, browser, sent):
    """SEND-46, SEND-47: 302 to the frozen URL; the event names it."""
    instance_id, mail = sent
    targets = []
    for path in mail.clicks:
        answer = browser.get(path)
        assert answer.status_code == 302
        targets.append(answer.headers["Location"])
    assert targets == ["https://example.org/a?x=1&y=2", "https://example.org/b"]
    assert [(e.url, e.link_number) for e in house.events(instance_id) if e.type == "clicked"] == [
        ("https://example.org/a?x=1&y=2", 0), ("https://example.org/b", 1)]
    report = house.check_sums(instance_id)
    assert (report.clicks.total, report.clicks.unique) == (2, 1)
    assert (report.opens.total, report.opens.unique) == (1, 1), "who clicked has opened"
    assert report.notes == ("Clicked without an open being seen, each counted as one open: 1.",)


@pytest.mark.parametrize("damage", [lambda t: t[:-1], lambda t: t + "A", lambda t: "x" + t[1:], lambda t: "nothing",
                                    lambda t: "%00", lambda t: "a" * 5000])
def test_a_wrong_token_is_the_same_404_for_all(browser, sent, damage):
    """SEND-45: whatever is wrong, the answer is the same; it says nothing of what is there."""
    _, mail = sent
    bodies = {browser.get("/nowhere").data}
    for path in (mail.pixel, mail.clicks[0], mail.unsubscribe):
        folder, _, token = path.rpartition("/")
        answer = browser.get(f"{folder}/{damage(token)}")
        assert answer.status_code == 404
        bodies.add(answer.data)
    assert len(bodies) == 1


def test_a_token_of_another_kind_or_key_is_wrong(browser, sent, house):
    """SEND-45: an unsubscribe token is no click token; a token of another installation is none."""
    _, mail = sent
    assert browser.get(mail.unsubscribe.replace("/u/", "/t/")).status_code == 404
    assert browser.get(mail.clicks[0].replace("/t/", "/u/")).status_code == 404
    foreign = mint(Keys.from_secret(b"another secret key, also long enough"), Token(Kind.CLICK, 1, 1, 0))
    assert browser.get(f"/t/{foreign}").status_code == 404
    keys = Keys.from_secret(SECRET)
    assert browser.get("/t/" + mint(keys, Token(Kind.CLICK, 1, 1, 99))).status_code == 404
    assert browser.get("/t/" + mint(keys, Token(Kind.CLICK, 2, 1, 0))).status_code == 404, "another brand's delivery"


@pytest.mark.parametrize(("method", "agent", "rule"), [
    ("head", BROWSER, "head"),
    ("get", "", "no_agent"),
    ("get", "Mozilla/5.0 (compatible; SomeBot/1.0)", "scanner_agent"),
    ("get", "Mozilla/5.0 (Windows NT 5.1) Firefox/11.0 (via ggpht.com GoogleImageProxy)", None),
])
def test_automated_clicks_are_marked_and_counted_apart(house, browser, sent, method, agent, rule):
    """SEND-52: marked with the rule, never removed; an image proxy says nothing of a click."""
    instance_id, mail = sent
    answer = getattr(browser, method)(mail.clicks[0], headers={"User-Agent": agent})
    assert answer.status_code == 302
    assert hits(house, instance_id) == [("clicked", rule is not None, rule)]
    report = house.check_sums(instance_id)
    assert (report.clicks.total, report.clicks.total_automated) == ((0, 1) if rule else (1, 0))


@pytest.mark.parametrize(("agent", "rule"), [
    ("Mozilla/5.0 (Windows NT 5.1) Firefox/11.0 (via ggpht.com GoogleImageProxy)", "image_proxy"),
    ("Mozilla/5.0", "privacy_proxy")])
def test_image_proxies_are_marked(house, browser, sent, agent, rule):
    """SEND-52: opens of mail-privacy image proxies are marked."""
    instance_id, mail = sent
    browser.get(mail.pixel, headers={"User-Agent": agent})
    assert hits(house, instance_id) == [("opened", True, rule)]
    report = house.check_sums(instance_id)
    assert (report.opens.unique, report.opens.unique_automated) == (0, 1)


def test_a_hit_within_two_seconds_of_acceptance_is_a_machine(house, browser, sink):
    """SEND-52: nobody reads that fast."""
    house.add_person("ann@example.org")
    instance_id = house.send()
    mail = read(sink.messages[0].data)
    house.clock.advance(seconds=1.9)
    browser.get(mail.clicks[0])
    house.clock.advance(seconds=0.1)
    browser.get(mail.clicks[0])
    assert hits(house, instance_id) == [("clicked", True, "soon_after_acceptance"), ("clicked", False, None)]


def test_a_click_settles_a_doubt(house, browser, sink):
    """SEND-24: who clicks has got the message: in doubt becomes accepted, with its event, once."""
    house.add_person("drop-after-dot@example.org")
    instance_id = house.send()
    assert house.states(instance_id) == {"drop-after-dot@example.org": "in_doubt"}
    house.clock.advance(minutes=1)
    mail = read(sink.messages[0].data)
    for _ in range(2):
        browser.get(mail.clicks[0])
    assert house.states(instance_id) == {"drop-after-dot@example.org": "accepted"}
    assert [e.type for e in house.events(instance_id)] == ["in_doubt", "clicked", "sent", "clicked"]
    report = house.check_sums(instance_id)
    assert (report.in_doubt, report.sent, report.delivered) == (0, 1, 1)


def test_a_persons_click_breaks_a_row_of_bounces(house, browser, sent):
    """SEND-56: a human click is a settled success; a machine's is not."""
    _, mail = sent
    house.set_address("ann@example.org", hard_in_a_row=1, soft_in_a_row=3, first_soft_at=house.clock.now)

    def row():
        with house.reading() as unit:
            return tuple(unit.connection.execute(sa.text(
                "SELECT hard_in_a_row, soft_in_a_row FROM address_status")).one())

    browser.head(mail.clicks[0])
    assert row() == (1, 3)
    browser.get(mail.clicks[0])
    assert row() == (0, 0)


@pytest.mark.parametrize(("remote", "forwarded", "stored"), [
    ("203.0.113.77", "", "203.0.113.0/24"),
    ("203.0.113.77", "198.51.100.9", "203.0.113.0/24"),
    ("10.0.0.1", "198.51.100.9", "198.51.100.0/24"),
    ("10.0.0.1", "1.2.3.4, 198.51.100.9, 10.0.0.2", "198.51.100.0/24"),
    ("2001:db8:1:2:3::4", "", "2001:db8:1::/48"),
    ("10.0.0.1", "unknown", "")])
def test_addresses_are_stored_shortened(house, browser, sent, remote, forwarded, stored):
    """SEND-51: /24 and /48; a forwarded address is believed only from a trusted proxy."""
    instance_id, mail = sent
    settings = house.gateway.settings
    values = {name: getattr(settings, name) for name in settings.__slots__}
    values["trusted_proxies"] = (__import__("ipaddress").ip_network("10.0.0.0/8"),)
    house.gateway.settings = type(settings)(**values)
    browser.get(mail.pixel, environ_base={"REMOTE_ADDR": remote}, headers={"X-Forwarded-For": forwarded})
    [opened] = [e for e in house.events(instance_id) if e.type == "opened"]
    assert opened.raw == {"ip": stored, "agent": BROWSER}


def test_the_picture_comes_even_when_the_store_is_away(house, browser, sent, monkeypatch):
    """SEND-47: an open is answered even if the store is down; a click says that it cannot, with Retry-After."""
    instance_id, mail = sent

    def away(*_):
        raise GatewayError("UNAVAILABLE", retry_after_s=5)

    monkeypatch.setattr(type(house.gateway), "unit", away)
    assert browser.get(mail.pixel).data.startswith(b"GIF89a")
    assert browser.get(mail.clicks[0]).status_code == 302, "the click is lost, the redirect is not"
    monkeypatch.setattr(type(house.gateway), "reading", away)
    answer = browser.get(mail.clicks[0])
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
    monkeypatch.undo()
    assert hits(house, instance_id) == []


def test_hits_of_a_merged_record_count_for_the_survivor(house, browser, sent):
    """SEND-51: an event for a tombstone counts for the survivor."""
    instance_id, mail = sent
    survivor = house.add_person("new@example.org")
    with house.unit() as unit:
        unit.connection.execute(sa.text("UPDATE subscriber SET merged_into = :s WHERE email = 'ann@example.org'"),
                                {"s": survivor})
    browser.get(mail.pixel)
    assert [e.subscriber_id for e in house.events(instance_id) if e.type == "opened"] == [survivor]


def test_test_copies_and_unsent_rows_record_nothing(house, browser, sent):
    """SEND-4: a token without delivery finds nothing."""
    keys = Keys.from_secret(SECRET)
    assert browser.get("/t/" + mint(keys, Token(Kind.OPEN, 1, 0))).status_code == 200
    assert browser.get("/t/" + mint(keys, Token(Kind.CLICK, 1, 0, 0))).status_code == 404
    with house.reading() as unit:
        assert unit.connection.scalar(sa.select(sa.func.count()).select_from(delivery)) == 1
    assert hits(house, sent[0]) == []


def test_strange_agents_are_stored_safely(house, browser, sent):
    """PUSH-6: control characters never reach the store."""
    instance_id, mail = sent
    browser.get(mail.pixel, environ_base={"HTTP_USER_AGENT": "Mozilla\x00\x07\ud800" + "x" * 999})
    [opened] = [e for e in house.events(instance_id) if e.type == "opened"]
    assert opened.raw["agent"] == "Mozilla   " + "x" * 290


@pytest.mark.parametrize("method", ["post", "put", "delete", "options"])
def test_other_methods(browser, sent, method):
    """A tracking address takes GET and HEAD."""
    answer = getattr(browser, method)(sent[1].pixel)
    assert answer.status_code == 405 and set(answer.headers["Allow"].split(", ")) == {"GET", "HEAD"}


def test_a_busy_store_keeps_nobody_waiting(house, browser, sent, monkeypatch):
    """SEND-47: while another writer holds the store, picture and redirect come soon; the next hit is stored again."""
    instance_id, mail = sent
    monkeypatch.setattr(tracking, "HIT_WAIT_S", 0.1)
    with house.unit():
        started = time.monotonic()
        assert browser.get(mail.pixel).status_code == 200
        assert browser.get(mail.clicks[0]).status_code == 302
        assert time.monotonic() - started < 10
    stored = 0 if house.gateway.engine.dialect.name == "sqlite" else 2  # PostgreSQL has more writers than one
    assert len(hits(house, instance_id)) == stored
    assert browser.get(mail.pixel).status_code == 200
    assert len(hits(house, instance_id)) == stored + 1
