"""Opens and clicks, as mail clients and browsers make them (SEND-24, SEND-45..47, SEND-50..52)."""

import datetime as dt
import ipaddress

import pytest
import sqlalchemy as sa

from gateway.db.models.mailings import delivery
from gateway.domain.events import EventFilter
from gateway.domain.tokens import Keys, Kind, Token, mint
from gateway.errors import GatewayError
from gateway.public.app import make_app
from gateway.services import hits as hits_service
from gateway.services import reporting
from gateway.services.linktables import LinkTables
from gateway.services.reporting import PageRequest
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


def seen(house, instance_id):
    return [(e.type, e.automated, e.rule, e.link_number) for e in house.events(instance_id) if e.type != "sent"]


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
        house.clock.advance(seconds=3)
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
    assert [e.type for e in house.events(instance_id)] == ["in_doubt", "clicked", "clicked", "sent"]
    house.clock.advance(seconds=1)
    browser.get(mail.pixel)
    assert hits(house, instance_id)[-1] == ("opened", False, None), "when it was accepted is known to nobody"
    report = house.check_sums(instance_id)
    assert (report.in_doubt, report.sent, report.delivered) == (0, 1, 1)


def test_a_persons_click_breaks_a_row_of_bounces(house, browser, sent):
    """SEND-56: a human click is a settled success; a machine's is not."""
    _, mail = sent
    house.set_address("ann@example.org", hard_in_a_row=1, soft_in_a_row=3, first_soft_at=house.clock.now)

    def row():
        house.fold()
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
    values["trusted_proxies"] = (ipaddress.ip_network("10.0.0.0/8"),)
    house.gateway.settings = type(settings)(**values)
    browser = make_app(house.gateway).test_client()
    browser.environ_base["HTTP_USER_AGENT"] = BROWSER
    browser.get(mail.pixel, environ_base={"REMOTE_ADDR": remote}, headers={"X-Forwarded-For": forwarded})
    [segment] = house.settings.hits_dir.glob("*.hits")
    assert remote.encode() not in segment.read_bytes() and b"198.51.100.9" not in segment.read_bytes()
    [opened] = [e for e in house.events(instance_id) if e.type == "opened"]
    assert opened.raw == {"ip": stored, "agent": BROWSER}


def test_losing_the_store_loses_no_redirect_and_no_hit(house, browser, sent, monkeypatch):
    """SEND-47: open and click are answered from memory; a link that is not in memory yet is asked for again later."""
    instance_id, mail = sent
    hits_service.refresh_links(house.gateway)

    def away(*_):
        raise GatewayError("UNAVAILABLE", retry_after_s=5)

    for name in ("unit", "reading"):
        monkeypatch.setattr(type(house.gateway), name, away)
    for _ in range(2):  # the first one opens the spool
        assert browser.get(mail.pixel).data.startswith(b"GIF89a")
        assert browser.get(mail.clicks[0]).status_code == 302
    house.gateway.links = LinkTables()
    answer = browser.get(mail.clicks[1])
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
    with pytest.raises(GatewayError):
        hits_service.fold(house.gateway, dt.timedelta(0))
    monkeypatch.undo()
    assert [(kind, link) for kind, _, _, link in seen(house, instance_id)] == [
        ("opened", None), ("clicked", 0), ("opened", None), ("clicked", 0), ("clicked", 1)]


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


def test_the_hidden_link_tells_a_machine(house, browser, sent):
    """SEND-52: whoever follows what no person sees is a machine, and so is what came beside it; it leads nowhere."""
    instance_id, mail = sent
    browser.get(mail.clicks[1])
    house.clock.advance(seconds=30)
    browser.get(mail.clicks[0])
    house.clock.advance(seconds=1)
    answer = browser.get(mail.hidden)
    assert (answer.status_code, answer.data) == (200, b"") and "Location" not in answer.headers
    assert hits(house, instance_id) == [("clicked", False, None), ("clicked", True, "hidden_link"),
                                        ("clicked", True, "hidden_link")]
    report = house.check_sums(instance_id)
    assert (report.clicks.total, report.clicks.total_automated) == (1, 2)


def test_all_links_at_once_are_a_machine_even_when_they_come_in_one_by_one(house, browser, sent):
    """SEND-52: a hit that is stored already is marked later, when its neighbours come; marked, never removed."""
    instance_id, mail = sent
    browser.get(mail.pixel)
    house.clock.advance(seconds=20)
    browser.get(mail.clicks[0])
    assert hits(house, instance_id) == [("opened", False, None), ("clicked", False, None)]
    house.clock.advance(seconds=1.5)
    browser.get(mail.pixel)
    browser.get(mail.clicks[1])
    assert hits(house, instance_id) == [("opened", False, None), ("clicked", True, "all_links"),
                                        ("opened", True, "all_links"), ("clicked", True, "all_links")]
    report = house.check_sums(instance_id)
    assert (report.opens.total, report.opens.total_automated) == (1, 1)
    assert (report.clicks.total, report.clicks.total_automated) == (0, 2)


def test_a_feed_shows_again_what_was_marked_later(house, browser, sent):
    """SEND-52, SOAP-70: who reads on from ``asOf`` learns that a machine made what looked like a person's hit."""
    instance_id, mail = sent

    def read_on(since):
        house.clock.advance(seconds=5)
        with house.gateway.feed(house.actor()) as unit:
            page = reporting.find_events(unit, EventFilter(types=("clicked",), since=since), PageRequest())
        return [(each.event_id, each.automated) for each in page.items], page.as_of

    browser.get(mail.clicks[0])
    house.fold()
    [(first, automated)], as_of = read_on(None)
    assert not automated
    house.clock.advance(seconds=-4)
    browser.get(mail.clicks[1])
    house.clock.advance(seconds=4)
    house.fold()
    seen_again, as_of = read_on(as_of)
    assert (first, True) in seen_again and [each for _, each in seen_again] == [True, True]
    assert read_on(as_of)[0] == []


@pytest.mark.parametrize(("state", "rule"), [
    ("claimed", "soon_after_acceptance"), ("queued", None), ("deferred", None), ("refused", None)])
def test_a_hit_on_what_the_server_has_not_accepted(house, browser, sent, state, rule):
    """SEND-52: only what a living sender has in hand is looked at too soon; a server that refused may deliver, too."""
    instance_id, mail = sent
    with house.unit() as unit:
        unit.connection.execute(sa.update(delivery).values(
            state=state, accepted_at=None, lease_until=house.clock() + dt.timedelta(seconds=60)))
    browser.get(mail.pixel)
    house.fold()
    assert hits(house, instance_id) == [("opened", rule is not None, rule)]
    house.clock.advance(minutes=5)
    browser.get(mail.pixel)
    assert hits(house, instance_id)[-1] == ("opened", False, None), "the sender that had it is dead by now"


@pytest.mark.parametrize("headers", [
    {"Purpose": "prefetch"}, {"Sec-Purpose": "prefetch;prerender"}, {"X-Purpose": "preview"}, {"X-Moz": "prefetch"}])
def test_fetching_ahead_is_recorded_apart(house, browser, sent, headers):
    """SEND-52: a browser that says so fetched for nobody yet."""
    instance_id, mail = sent
    assert browser.get(mail.clicks[0], headers=headers).status_code == 302
    assert hits(house, instance_id) == [("clicked", True, "prefetch")]


def test_a_machine_proves_the_message_but_no_person(house, browser, sink):
    """SEND-24, SEND-56: a scanner's hit settles a doubt, but breaks no row of bounces."""
    house.add_person("drop-after-dot@example.org")
    instance_id = house.send()
    house.set_address("drop-after-dot@example.org", hard_in_a_row=1)
    browser.head(read(sink.messages[0].data).clicks[0])
    assert house.states(instance_id) == {"drop-after-dot@example.org": "accepted"}
    with house.reading() as unit:
        assert unit.connection.scalar(sa.text("SELECT hard_in_a_row FROM address_status")) == 1


def test_links_of_mail_from_before_go_on_working(house, browser, sent):
    """SEND-45: tokens that do not carry their instance are in mail that is out; they are looked up."""
    instance_id, mail = sent
    delivery_id = house.deliveries(instance_id)[0].id
    keys = Keys.from_secret(SECRET)
    for _ in range(2):
        assert browser.get("/t/" + mint(keys, Token(Kind.OPEN, 1, delivery_id))).data.startswith(b"GIF89a")
        answer = browser.get("/t/" + mint(keys, Token(Kind.CLICK, 1, delivery_id, 1)))
        assert answer.headers["Location"] == "https://example.org/b"
        house.clock.advance(seconds=5)
    assert [(kind, link) for kind, _, _, link in seen(house, instance_id)] == [
        ("opened", None), ("clicked", 1), ("opened", None), ("clicked", 1)]


def test_links_work_after_the_key_was_changed(house, browser, sent):
    """SEND-45: old keys verify, the newest signs."""
    _, mail = sent
    house.gateway.keys = Keys.from_secret(b"a new secret key, long enough for everything", [SECRET])
    assert browser.get(mail.pixel).status_code == 200
    assert browser.get(mail.clicks[0]).status_code == 302
    assert browser.get(mail.unsubscribe).status_code == 200
    house.gateway.keys = Keys.from_secret(b"a new secret key, long enough for everything")
    assert browser.get(mail.clicks[0]).status_code == 404


def test_a_hit_of_an_erased_person_counts_without_person(house, browser, sent):
    """SEND-51: the figure stays, nothing of the person does."""
    instance_id, mail = sent
    browser.get(mail.pixel)
    with house.unit() as unit:
        unit.connection.execute(sa.text("UPDATE subscriber SET erased_at = created_at, email = NULL"))
        unit.connection.execute(sa.text("UPDATE delivery SET email = NULL, remote_id = NULL"))
    [opened] = [e for e in house.events(instance_id) if e.type == "opened"]
    assert (opened.subscriber_id, opened.address, opened.remote_id, opened.raw) == (None, None, None, None)
    assert house.report(instance_id).opens.total == 1


def test_folding_twice_changes_nothing(house, browser, sent):
    """SEND-50: a hit is one event, by segment and position; a fold that was killed before its note is done again."""
    instance_id, mail = sent
    browser.get(mail.pixel)
    browser.get(mail.clicks[0])
    house.fold()
    for note in house.settings.hits_dir.glob("*.done"):
        note.unlink()
    assert len(hits(house, instance_id)) == 2


def test_what_a_broken_disk_made_of_a_segment_holds_nothing_up(house, browser, sent):
    """SEND-47: zeros without an end are put aside, however many; hits behind them and elsewhere are taken in."""
    instance_id, mail = sent
    browser.get(mail.pixel)
    house.gateway.hits.close()
    [whole] = house.settings.hits_dir.glob("*.hits")
    line = whole.read_bytes()
    (whole.parent / "0-unreadable.hits").mkdir()
    (whole.parent / "1-zeros.hits").write_bytes(bytes(600_000) + b"\n" + line)
    with pytest.raises(IsADirectoryError):
        house.fold()
    assert [path.name for path in whole.parent.glob("*.hits")] == ["0-unreadable.hits"]
    assert sum(len(path.read_bytes().replace(b"\n", b"")) for path in whole.parent.glob("*.bad")) == 600_000
    (whole.parent / "0-unreadable.hits").rmdir()
    assert len(hits(house, instance_id)) == 2


def test_a_young_hit_waits_for_its_neighbours(house, browser, sent):
    """SEND-52: what came beside a hit is known when it is stored, so a feed rarely sees it change."""
    _, mail = sent
    browser.get(mail.pixel)
    assert hits_service.fold(house.gateway) == 0
    house.clock.advance(seconds=3)
    assert hits_service.fold(house.gateway) == 1
    browser.get(mail.pixel)
    house.clock.advance(hours=-1)
    assert hits_service.fold(house.gateway) == 1, "a clock that was set back holds nothing up"


HOSTILE = ("", "/", "//", ".", "..", "/..%2f..%2fetc/passwd", "%00", "%0d%0aSet-Cookie:%20a=b", "a" * 300, "a" * 60_000,
           "\u00e9", "%ff%fe", "https://evil.example/", "?url=https://evil.example/", "AQgB", "-" * 64, "A" * 64)


def test_hostile_paths_are_a_plain_404(browser):
    """SEND-45, SEND-46: no redirect, no header, no detail, the same page for all."""
    bodies = set()
    for folder in ("/t/", "//t/", "/t//", "/u/", "/v/"):
        for token in HOSTILE:
            answer = browser.get(folder + token)
            assert answer.status_code == 404, (folder, token)
            assert "Location" not in answer.headers and "Set-Cookie" not in answer.headers
            bodies.add(answer.data)
    assert len(bodies) == 1


def test_a_token_with_one_changed_character_is_wrong_wherever_it_is(browser, sent):
    """SEND-45."""
    _, mail = sent
    token = mail.clicks[0].removeprefix("/t/")
    for at in range(len(token)):
        other = "A" if token[at] != "A" else "B"
        assert browser.get(f"/t/{token[:at]}{other}{token[at + 1:]}").status_code == 404
    assert browser.get(f"/t/{token}/").status_code == browser.get(f"/t/{token}=").status_code == 404
