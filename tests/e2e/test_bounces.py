"""Mail that comes back to a real worker, which is killed with it in hand: none lost, none counted twice (SEND-53)"""

from __future__ import annotations

import random
import smtplib
import time
from pathlib import Path

import sqlalchemy as sa

from gateway.clock import system_clock
from gateway.db.models.transport import inbound_mail
from gateway.domain.tokens import Keys
from gateway.services import inbound
from tests.support.installation import Installation, free_port, stop
from tests.support.mailhouse import MailHouse
from tests.support.returnedmail import Sent
from tests.support.waiting import wait_for
from tests.support.world import SECRET

PEOPLE = 24
NAMES = ("postfix-unknown-user", "gmail-full", "arf-minimal", "exim-text")


def hand_over(port: int, to: str, data: bytes) -> bool:
    """What a mail server does: it tries, and a mail that was not answered for is tried again."""
    try:
        with smtplib.LMTP("127.0.0.1", port) as client:
            return client.sendmail("", [to], data) == {}
    except (OSError, smtplib.SMTPException):
        return False


def all_done(house: MailHouse) -> bool:
    """Whether all are understood. What a killed worker had in hand would wait for the end of its lease, a minute: this
    process does what the sweep would then ring for, beside the worker that lives."""
    with house.reading() as unit:
        rows = unit.connection.execute(sa.select(inbound_mail.c.id, inbound_mail.c.state)).all()
    for row in rows:
        inbound.process(house.gateway, 0, row.id)
    return {row.state for row in rows} == {"done"}


def test_a_worker_that_is_killed_with_mail_in_hand(database_url, tmp_path, sink):
    """SEND-53, SEND-50: kill -9 at a random moment between 250 and the note that it was done; the relay retries."""
    port, instance_id = free_port(), 0
    with MailHouse(database_url, system_clock, tmp_path / "data", smtp_url=sink.url) as house:
        house.add_people([f"p{number}@example.org" for number in range(PEOPLE)])
        instance_id = house.send()
        rows = house.deliveries(instance_id)
        keys = Keys.from_secret(SECRET)
        about = [Sent(keys, 1, row.id, instance_id, row.email, "bounces.example.org") for row in rows]
        mails = [(f"{sent.verp}@{sent.domain}", sent.mail(NAMES[number % len(NAMES)]))
                 for number, sent in enumerate(about)]
        settings = {"GATEWAY_DATABASE_URL": database_url, "GATEWAY_SECRET_KEY": SECRET.decode(),
                    "GATEWAY_SMTP_URL": sink.url, "GATEWAY_BOUNCE_DOMAIN": "bounces.example.org",
                    "GATEWAY_BOUNCE_LISTEN": f"lmtp://127.0.0.1:{port}"}
        with Installation(Path(tmp_path / "there"), **settings) as there:
            for share in range(2):
                worker = there.start("worker", name=f"worker{share}")

                def is_heard(worker=worker, share=share):
                    assert worker.poll() is None, there.log(f"worker{share}")
                    return hand_over(port, *mails[0])

                wait_for(is_heard, "the listener", 120)
                for to, data in mails[share * PEOPLE // 2:(share + 1) * PEOPLE // 2]:
                    hand_over(port, to, data)
                if share == 0:
                    time.sleep(random.uniform(0, 0.3))  # anywhere in its work
                    worker.kill()
                    worker.wait()
            for to, data in mails:
                wait_for(lambda to=to, data=data: hand_over(port, to, data), "the relay's retry", 120)

            wait_for(lambda: all_done(house), "the mails to be understood", 120)
            assert stop(worker) == 0
        report = house.check_sums(instance_id)
        share = PEOPLE // len(NAMES)
        assert (report.bounced_hard, report.bounced_soft, report.complaints) == (2 * share, share, share)
        kinds = [event.type for event in house.events(instance_id)]
        assert (kinds.count("bounced"), kinds.count("complained"), kinds.count("unsubscribed")) == (3 * share, share,
                                                                                                    share)
        with house.reading() as unit:
            assert unit.connection.scalar(sa.select(sa.func.count()).select_from(inbound_mail)) == PEOPLE
