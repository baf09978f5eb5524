"""Mails about imports that have ended: to everybody named, once, whatever the mail server or a kill does."""

import email
import email.policy

import pytest

from gateway.domain.records import ImportOptions
from gateway.domain.upload import UploadRequest
from gateway.services import notices, spool, uploadruns, uploads
from tests.support.world import World

CSV = "email\nann@example.org\nnobody\n"


@pytest.fixture
def world(database_url, tmp_path, sink):
    with World(database_url, data_dir=tmp_path / "data", smtp_url=sink.url, brands=(1, 2)) as made:
        yield made


def ended(world, *notify, text=CSV, stopping=lambda: False, **options):
    kept = spool.receive(world.settings.spool_dir, [text.encode()])
    with world.unit(world.key_actor()) as unit:
        view = uploads.accept(unit, kept, UploadRequest(ImportOptions(notify=notify, **options)))
    uploads.run_import(world.gateway, 1, view.upload_id, stopping=stopping)
    return view.upload_id


def mails(sink):
    return [(each.envelope_to[0], email.message_from_bytes(each.data, policy=email.policy.default))
            for each in sink.messages]


def test_told_once(world, sink):
    """PUSH-50: state and numbers, no row; a repeated wake-up says nothing twice."""
    upload_id = ended(world, "ann@example.org", "bo@example.org")
    assert notices.due(world.gateway) == [(1, upload_id)]
    for _ in range(2):
        notices.tell(world.gateway, 1, upload_id)
    assert notices.due(world.gateway) == []
    found = mails(sink)
    assert [to for to, _ in found] == ["ann@example.org", "bo@example.org"]
    message = found[0][1]
    text = message.get_content()
    assert message["Subject"] == f"Import j-{upload_id}: finished with errors"
    assert message["Auto-Submitted"] == "auto-generated"
    assert "received: 2" in text and "created: 1" in text and "INVALID_EMAIL: 1" in text
    assert "nobody" not in text and "ann@example.org" not in text


def test_nobody_to_tell(world, sink):
    """PUSH-50: a job without addresses, a foreign brand's, one that is not at its end."""
    upload_id = ended(world)
    running = ended(world, "ann@example.org", text=CSV + CSV, stopping=lambda: True)
    assert notices.due(world.gateway) == []
    for brand_id, job in ((1, upload_id), (1, running), (2, upload_id)):
        notices.tell(world.gateway, brand_id, job)
    assert sink.messages == []


def test_only_who_could_not_be_reached_is_tried_again(world, sink):
    """PUSH-50: greylisting holds up one address alone; one that is refused for good is not tried again."""
    upload_id = ended(world, "ann@example.org", "defer-4xx@example.org", "bounce-5xx@example.org")
    notices.tell(world.gateway, 1, upload_id)
    assert notices.due(world.gateway) == []
    world.clock.advance(seconds=61)
    assert notices.due(world.gateway) == [(1, upload_id)]
    notices.tell(world.gateway, 1, upload_id)
    assert [to for to, _ in mails(sink)] == ["ann@example.org"]
    world.clock.advance(seconds=86_400)
    assert notices.due(world.gateway) == []  # given up


def test_mail_server_that_is_away_does_not_hold_the_end(database_url, tmp_path):
    """PUSH-50: the job has ended; the mail comes later."""
    with World(database_url, data_dir=tmp_path / "data", smtp_url="smtp://127.0.0.1:1") as world:
        upload_id = ended(world, "ann@example.org")
        notices.tell(world.gateway, 1, upload_id)
        with world.reading(world.key_actor()) as unit:
            assert uploads.get(unit, upload_id).state == "finished_with_errors"
        world.clock.advance(seconds=61)
        assert notices.due(world.gateway) == [(1, upload_id)]


def test_killed_between_two_addresses(world, sink, monkeypatch):
    """At least once: whoever was noted is not told again; the next worker waits for the lease of the dead one."""
    upload_id = ended(world, "ann@example.org", "bo@example.org")
    sent = notices._sent

    def dies_at_the_second(gateway, server, row, name, address):
        if address.startswith("bo"):
            raise KeyboardInterrupt
        return sent(gateway, server, row, name, address)

    with monkeypatch.context() as patch:
        patch.setattr(notices, "_sent", dies_at_the_second)
        with pytest.raises(KeyboardInterrupt):
            notices.tell(world.gateway, 1, upload_id)
    notices.tell(world.gateway, 1, upload_id)
    assert len(sink.messages) == 1
    world.clock.advance(seconds=901)
    notices.tell(world.gateway, 1, upload_id)
    assert [to for to, _ in mails(sink)] == ["ann@example.org", "bo@example.org"]


def test_held_and_then_released(world, sink):
    """PUSH-67: a job that waits for a person says so, and its end is news again."""
    text = "remoteId,email\n" + "".join(f"{n},p{n}@example.org\n" for n in range(30))
    options = {"mode": "ReplaceAll", "interests": ("News",)}
    ended(world, text=text, **options)
    upload_id = ended(world, "ann@example.org", text=text[:text.index("9,p9")], **options)
    notices.tell(world.gateway, 1, upload_id)
    with world.unit(world.key_actor()) as unit:
        uploads.release(unit, upload_id)
    assert notices.due(world.gateway) == []
    uploadruns.run_import(world.gateway, 1, upload_id)
    notices.tell(world.gateway, 1, upload_id)
    assert [message["Subject"].partition(": ")[2] for _, message in mails(sink)] == ["held", "finished"]
    assert "BRAKE_HELD" in mails(sink)[0][1].get_content()


def test_cancelled_job_tells_nobody(world, sink):
    """Whoever cancelled it knows."""
    upload_id = ended(world, "ann@example.org", stopping=lambda: True)
    with world.unit(world.key_actor()) as unit:
        uploads.cancel(unit, upload_id)
    assert notices.due(world.gateway) == []
