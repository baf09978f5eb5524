"""Grids show what the product itself writes: a mailing is sent, bounces, comes back, is left (aapi.md 7.3, 7.4).

Nothing is put into tables by hand here.
"""

import pytest
import sqlalchemy as sa

from gateway.db.models.transport import inbound_mail
from gateway.domain.records import Identifier, StatusEntry
from gateway.public.app import make_app
from gateway.services import erasure, inbound, suppression
from tests.support.grids import Desk, single
from tests.support.mailhouse import BROWSER
from tests.support.mailreader import read
from tests.support.returnedmail import Sent


@pytest.fixture
def desk(database_url, tmp_path, clock, sink):
    """A desk that mails to ``sink``, on each kind of database."""
    with Desk(database_url, clock, tmp_path, smtp_url=sink.url, brands=(1, 2)) as made:
        yield made


def comes_back(desk, instance_id, email, name):
    """A mail of the corpus about the delivery to this address."""
    row = next(row for row in desk.deliveries(instance_id) if row.email == email)
    about = Sent(desk.gateway.keys, 1, row.id, instance_id, email, inbound.bounce_domain(desk.gateway))
    data = about.mail(name)
    inbound.receive(desk.gateway, "lmtp", "", f"{about.verp}@{about.domain}", data, len(data))
    with desk.reading() as unit:
        mail_id = unit.connection.scalar(sa.select(sa.func.max(inbound_mail.c.id)))
    inbound.process(desk.gateway, 0, mail_id)


def test_bounces(desk):
    """7.3: three digits of the reply though an enhanced code came with it, in SMTP or in a report; a repeated bouncer
    only from the third bounce in a row on. 7.4: whoever bounced softly and then for good counts as both."""
    desk.add_person("full@example.org", remote_id="7")
    desk.add_person("dan@example.org")
    desk.add_person("full@example.org", brand_id=2)
    mailing_id = desk.create()
    instances = []
    for _ in range(3):
        desk.clock.advance(days=1)
        instances.append(desk.schedule(mailing_id, again=bool(instances)))
        desk.run(instances[-1])
    comes_back(desk, instances[0], "dan@example.org", "postfix-unknown-user")
    comes_back(desk, instances[2], "full@example.org", "postfix-unknown-user")
    names = ("mailing_instance_id", "Email", "is_hard_bounce", "is_soft_bounce", "is_repeat_bounce",
             "email_status_code", "user_id")
    first, second, third = map(str, instances)
    assert desk.ask("mailing_activity_bounces", *names) == [
        [first, "full@example.org", "0", "1", "0", "552", "7"], [first, "dan@example.org", "1", "0", "0", "550", ""],
        [second, "full@example.org", "0", "1", "0", "552", "7"], [third, "full@example.org", "0", "1", "1", "552", "7"],
        [third, "full@example.org", "1", "0", "1", "550", "7"]]
    assert desk.ask("mailing_activity_bounces", "Email", where=[single("is_repeat_bounce", 1)]) == [
        ["full@example.org"]] * 2
    assert desk.ask("mailing_activity", "hard_bounce_count", "soft_bounce_count", "html_emails_bounce_count") == [
        ["1", "1", "2"], ["0", "1", "1"], ["1", "1", "1"]]
    assert desk.ask("subscriber", "Email", "is_repeated_bouncer") == [["full@example.org", "1"],
                                                                    ["dan@example.org", "0"]]
    assert desk.ask("mailing_activity_bounces", "Email", brand_id=2) == []
    history = ("Mailing_instance_id", "Was_Hard_bounced", "Was_Soft_bounced", "Was_Repeat_bounced")
    assert desk.ask("subscriber_mailing_history", *history, where=[single("Email", "full@example.org")]) == [
        [first, "0", "1", "0"], [second, "0", "1", "0"], [third, "1", "1", "1"]]
    with desk.unit(desk.actor(role="admin")) as unit:
        erasure.erase(unit, Identifier(email="full@example.org"), confirmed=True)
    assert desk.ask("mailing_activity", "hard_bounce_count", "soft_bounce_count", "html_emails_bounce_count") == [
        ["1", "1", "2"], ["0", "1", "1"], ["1", "0", "1"]], "what the last bounce was is left of an erased person"


PHONE = ("Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 "
         "Mobile/15E148 Safari/604.1")


def test_hits_and_a_click_on_unsubscribe(desk, sink):
    """7.3, 7.4: by the first open's client; links by their place; who left by one click names the mailing."""
    for brand_id in (1, 2):
        desk.add_person("ann@example.org", remote_id="A7", brand_id=brand_id)
    instance_id = desk.send()
    mail = read(sink.messages[0].data)
    desk.clock.advance(hours=1)
    for path, agent in ((mail.pixel, PHONE), (mail.pixel, BROWSER), *[(mail.clicks[1], BROWSER)] * 2):
        desk.hit(path, agent)
        desk.clock.advance(hours=1)
    desk.fold()
    browser = make_app(desk.gateway).test_client()
    assert browser.post(mail.one_click, data={"List-Unsubscribe": "One-Click"}).status_code == 200
    counts = ("opens_unique_count", "opens_mobile_count", "opens_web_browser_count", "links_clicked_unique_count",
              "unsubscribes_count", "opt_out_count")
    assert desk.ask("mailing_activity", *counts) == [["1", "1", "0", "1", "1", "0"]]
    assert desk.ask("mailing_activity_first_open", "user_id", "email_client_name") == [["A7", "Mobile Safari"]]
    assert desk.ask("mailing_activity_opens_by_hour", "Hour", "open_count") == [["13", "1"], ["14", "1"]]
    assert desk.ask("mailing_activity_clicks", "Id", "Link") == [["2", "https://example.org/b"]] * 2
    assert desk.ask("subscriber", "cancel_id", "cancellation_mailing_instance_id") == [["2", str(instance_id)]]
    where = [single("mailing_instance_id", instance_id)]
    for token in ("mailing_activity_opens", "mailing_activity_clicks", "mailing_activity", "mailing_activity_domains"):
        assert desk.ask(token, "mailing_instance_id", where=where, brand_id=2) == []
    assert desk.ask("subscriber", "is_unsubscriber", brand_id=2) == [["0"]]


def test_an_opt_out_names_the_mailing_that_it_came_from_alone(desk):
    """7.3: after a resubscription, one that an API asked for has no mailing, though an earlier one had."""
    desk.add_person("ann@example.org")
    instance_id = desk.send()
    comes_back(desk, instance_id, "ann@example.org", "arf-headers-only")
    names = ("cancel_id", "cancellation_mailing_instance_id", "is_unsubscriber")
    assert desk.ask("subscriber", *names) == [["3", str(instance_id), "1"]]
    assert desk.ask("mailing_activity", "aol_complaint_count", "unsubscribes_count") == [["1", "1"]]
    desk.clock.advance(days=1)
    entry = StatusEntry(Identifier(email="ann@example.org"), "wrote to us")
    with desk.unit(desk.actor(role="admin")) as unit:
        suppression.resubscribe(unit, [entry])
    assert desk.ask("subscriber", *names) == [["", "", "0"]]
    with desk.unit() as unit:
        suppression.unsubscribe(unit, [entry])
    assert desk.ask("subscriber", *names) == [["1", "", "1"]]
