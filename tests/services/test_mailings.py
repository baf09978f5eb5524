"""Creating, changing, looking at, scheduling and cancelling mailings (SOAP-54..60, sending.md section 1)."""

import dataclasses
import datetime as dt

import pytest

from gateway.domain.mailing import MailingFilter
from gateway.domain.paging import PageRequest
from gateway.domain.records import Identifier
from gateway.errors import GatewayError
from gateway.services import mailings
from gateway.services.gateway import SilentDoorbell


class Bell(SilentDoorbell):
    def __init__(self):
        self.rings = []

    def ring(self, rings, connection):
        self.rings += rings


def refused(house, act, *args, actor=None, **kw):
    with pytest.raises(GatewayError) as error, house.unit(actor or house.actor()) as unit:
        act(unit, *args, **kw)
    return error.value.code, error.value.field


def test_create_stores_what_was_given(house):
    """SOAP-54: the stored draft is the one given, addresses in their stored form."""
    house.add_interest("News")
    house.add_interest("Board")
    draft = house.draft(from_address=" News@Example.ORG ", reply_to="Office@Example.org", text="Hello",
                        exclude_interests=("Board",), include_orphans=True, track_opens=False, folder="2026")
    with house.unit() as unit:
        made = mailings.create(unit, draft)
    assert made.draft == dataclasses.replace(draft, from_address="news@example.org", reply_to="office@example.org")
    assert (made.state, made.created_by, made.created_at) == ("draft", "user:tester", house.clock.now)
    with house.reading() as unit:
        assert mailings.get(unit, made.mailing_id) == dataclasses.replace(made, warnings=())


@pytest.mark.parametrize(("changes", "code", "field"), [
    ({"name": ""}, "INVALID_REQUEST", "name"),
    ({"name": " "}, "INVALID_REQUEST", "name"),
    ({"subject": ""}, "INVALID_REQUEST", "subject"),
    ({"html": ""}, "INVALID_REQUEST", "html"),
    ({"from_address": ""}, "INVALID_REQUEST", "fromAddress"),
    ({"from_address": "nobody"}, "INVALID_EMAIL", "fromAddress"),
    ({"reply_to": "a@b@c.org"}, "INVALID_EMAIL", "replyTo"),
    ({"name": "x" * 256}, "FIELD_TOO_LONG", "name"),
    ({"subject": "x" * 999}, "FIELD_TOO_LONG", "subject"),
    ({"html": "x" * (4 * 1024 * 1024 + 1)}, "FIELD_TOO_LONG", "html"),
    ({"subject": "two\nlines"}, "INVALID_CHARACTER", "subject"),
    ({"from_name": "a\r\nBcc: all@example.org"}, "INVALID_CHARACTER", "fromName"),
    ({"name": "nul\0"}, "INVALID_CHARACTER", "name"),
    ({"html": "a\x0bb"}, "INVALID_CHARACTER", "html"),
    ({"text": "a\ufffeb"}, "INVALID_CHARACTER", "text"),
    ({"html": "{{ FirstName"}, "INVALID_VALUE", "html"),
    ({"subject": "{% for x in y %}"}, "INVALID_VALUE", "subject"),
    ({"text": "{{ 1/0 }}"}, "INVALID_VALUE", "text"),
    ({"interests": ("Nowhere",)}, "LIST_UNKNOWN", "interest"),
])
def test_create_refuses(house, changes, code, field):
    """Each fault has its code and field, and nothing is stored (SOAP-54, PUSH-6, SEND-40, ID-42)."""
    house.add_interest("News")
    assert refused(house, mailings.create, house.draft(**changes)) == (code, field)
    with house.gateway.feed(house.actor()) as unit:
        assert mailings.find(unit, MailingFilter(), PageRequest()).items == ()


def test_create_needs_the_right(house):
    """SOAP-18: a reader may not."""
    house.add_interest("News")
    assert refused(house, mailings.create, house.draft(), actor=house.actor(role="reader"))[0] == "NOT_ALLOWED"


def test_unknown_merge_tags_warn(house):
    """SEND-40: an unknown tag is a warning that names it; the brand's fields, email and remoteId are known."""
    house.add_interest("News")
    with house.unit() as unit:
        made = mailings.create(unit, house.draft(html="{{ FirstName }} {{ Frist }} {{ email }} {{ remoteId }}"))
    assert [(w.code, w.field) for w in made.warnings] == [("FIELD_UNKNOWN", "Frist")]


def test_update_changes_only_what_is_named(house):
    """SOAP-55: changes are checked as at creation; interests are replaced as a whole."""
    mailing_id = house.create()
    house.add_interest("Sport")
    house.clock.advance(seconds=5)
    with house.unit() as unit:
        made = mailings.update(unit, mailing_id, {"subject": "Other", "interests": ("Sport",), "reply_to": None})
    assert made.draft == house.draft(subject="Other", interests=("Sport",))
    assert made.changed_at == house.clock.now
    assert refused(house, mailings.update, mailing_id, {"subject": ""}) == ("INVALID_REQUEST", "subject")
    assert refused(house, mailings.update, mailing_id, {"colour": "red"}) == ("INVALID_REQUEST", "colour")
    assert refused(house, mailings.update, 999, {})[0] == "NOT_FOUND"


def test_a_released_mailing_is_locked(house):
    """SEND-2: released = has an instance; its content is locked until its only instance is cancelled unsent."""
    house.add_person("ann@example.org")
    mailing_id = house.create()
    instance_id = house.schedule(mailing_id, delay_s=3600)
    assert refused(house, mailings.update, mailing_id, {"name": "x"})[0] == "STATE_CONFLICT"
    with house.unit() as unit:
        assert mailings.cancel(unit, instance_id).state == "cancelled"
        assert mailings.get(unit, mailing_id).state == "draft"
        assert mailings.update(unit, mailing_id, {"name": "x"}).draft.name == "x"


def test_cancel_is_idempotent_and_refuses_a_sent_one(house, sink):
    """SEND-3, SEND-38: cancelled stays cancelled; sent is final."""
    house.add_person("ann@example.org")
    mailing_id = house.create()
    instance_id = house.schedule(mailing_id, delay_s=60)
    for _ in range(2):
        with house.unit() as unit:
            assert mailings.cancel(unit, instance_id).state == "cancelled"
    house.clock.advance(hours=1)
    house.run(instance_id)
    assert not sink.messages
    second = house.schedule(mailing_id)
    house.run(second)
    assert refused(house, mailings.cancel, second)[0] == "STATE_CONFLICT"
    assert refused(house, mailings.cancel, 999)[0] == "NOT_FOUND"


def test_cancel_while_sending(house, sink):
    """SEND-38: queued and deferred become cancelled; what is out is out, and the mailing stays released."""
    house.add_person("ann@example.org")
    house.add_person("defer-4xx@example.org")
    mailing_id = house.create()
    instance_id = house.schedule(mailing_id)
    house.run(instance_id)
    with house.unit() as unit:
        view = mailings.cancel(unit, instance_id)
    assert (view.state, view.counts) == ("cancelled", {"accepted": 1, "cancelled": 1})
    house.clock.advance(days=3)
    house.run(instance_id)
    assert house.report(instance_id).cancelled == 1
    with house.reading() as unit:
        assert mailings.get(unit, mailing_id).state == "released"
    assert refused(house, mailings.update, mailing_id, {"name": "x"})[0] == "STATE_CONFLICT"
    assert refused(house, mailings.send, mailing_id) == ("STATE_CONFLICT", "again"), "ann has it already (SEND-4)"


def test_two_instances_cancelled_unsent_make_a_draft_again(house):
    """SEND-2: nothing was sent and nothing will be."""
    mailing_id = house.create()
    ids = [house.schedule(mailing_id, delay_s=60), house.schedule(mailing_id, delay_s=60, again=True)]
    for instance_id, state in zip(ids, ("released", "draft"), strict=True):
        with house.unit() as unit:
            mailings.cancel(unit, instance_id)
            assert mailings.get(unit, mailing_id).state == state


def test_sending_again_needs_again(house):
    """SEND-4: a mailing that has an instance is sent again only on purpose."""
    mailing_id = house.create()
    first = house.schedule(mailing_id)
    assert refused(house, mailings.send, mailing_id) == ("STATE_CONFLICT", "again")
    second = house.schedule(mailing_id, again=True)
    with house.reading() as unit:
        assert [one.instance_id for one in mailings.get(unit, mailing_id).instances] == [second, first]


def test_schedule_refuses(house):
    """SOAP-59: the past by more than 5 minutes, notAfter before the time, no interest, no such mailing."""
    now, mailing_id = house.clock.now, house.create()
    minute = dt.timedelta(minutes=1)
    assert refused(house, mailings.schedule, mailing_id, now - 6 * minute) == ("INVALID_VALUE", "sendAt")
    assert refused(house, mailings.schedule, mailing_id, now + minute, now) == ("INVALID_VALUE", "notAfter")
    assert refused(house, mailings.schedule, 999, now)[0] == "NOT_FOUND"
    assert refused(house, mailings.schedule, mailing_id, now, actor=house.actor(brand_id=2))[0] == "NOT_FOUND"
    nowhere = house.create(interests=())
    assert refused(house, mailings.schedule, nowhere, now) == ("INVALID_VALUE", "interest")
    with house.unit() as unit:
        assert mailings.schedule(unit, mailing_id, now - 5 * minute).state == "scheduled"


def test_schedule_rings_for_its_time(house):
    """SEND-6: the job is a wake-up in the same transaction."""
    house.gateway.doorbell = Bell()
    mailing_id = house.create()
    instance_id = house.schedule(mailing_id, delay_s=90)
    [ring] = house.gateway.doorbell.rings
    assert (ring.task, ring.args, ring.delay_s) == ("run_instance", (1, instance_id), 90.0)


def test_preview_shows_the_message_of_a_person(house):
    """SOAP-57: subject, parts, size as that person would get them; nobody in particular sees the defaults."""
    house.add_person("ann@example.org", values={"FirstName": "Ann"})
    mailing_id = house.create()
    with house.reading() as unit:
        hers = mailings.preview(unit, mailing_id, Identifier(email="ann@example.org"))
        anybody = mailings.preview(unit, mailing_id)
    assert (hers.subject, anybody.subject) == ("News for Ann", "News for you")
    assert "Dear Ann" in hers.html and "Dear Ann" in hers.text and "Dear member" in anybody.html
    assert hers.size_bytes > 500
    assert 'href="https://example.org/b"' in hers.html and "/t/" not in hers.html + hers.text, "its links work"
    assert hers.recipients == 1 and hers.left_out == {}
    assert not house.events()


def test_find_pages_by_creation(house):
    """SOAP-56, SOAP-68: filters, order, token; another brand sees nothing."""
    ids = []
    for name in ("a", "b", "a"):
        ids.append(house.create(name=name))
        house.clock.advance(seconds=1)
    house.schedule(ids[2], delay_s=60)
    with house.gateway.feed(house.actor()) as unit:
        first = mailings.find(unit, MailingFilter(), PageRequest(size=2))
        assert [m.mailing_id for m in first.items] == ids[:2]
        rest = mailings.find(unit, MailingFilter(), PageRequest(size=2, token=first.next_token))
        assert [m.mailing_id for m in rest.items] == ids[2:] and rest.next_token is None
        assert [m.mailing_id for m in mailings.find(unit, MailingFilter(name="a"), PageRequest()).items] == ids[::2]
        released = mailings.find(unit, MailingFilter(state="released"), PageRequest()).items
        assert [m.mailing_id for m in released] == ids[2:] and len(released[0].instances) == 1
    with house.gateway.feed(house.actor(brand_id=2)) as unit:
        assert mailings.find(unit, MailingFilter(), PageRequest()).items == ()


def test_foreign_ids_are_not_found(house):
    """SOAP-18: another brand's id is NOT_FOUND in every verb."""
    mailing_id = house.create()
    instance_id = house.schedule(mailing_id, delay_s=60)
    other = house.actor(brand_id=2)
    for act, args in ((mailings.get, (mailing_id,)), (mailings.update, (mailing_id, {})),
                      (mailings.preview, (mailing_id,)), (mailings.send, (mailing_id,)),
                      (mailings.cancel, (instance_id,)), (mailings.get_instance, (instance_id,))):
        assert refused(house, act, *args, actor=other)[0] == "NOT_FOUND"


def test_a_merge_tag_in_the_senders_name_is_warned_of(house):
    """SEND-40: it would be sent as it is written; the author is told at creation."""
    house.add_interest("News")
    with house.unit() as unit:
        made = mailings.create(unit, house.draft(from_name="{{ FirstName }}'s office"))
    assert ("INVALID_VALUE", "fromName") in [(warning.code, warning.field) for warning in made.warnings]
