"""Thirty days in one afternoon: three systems with the same people, edits, mailings, opt-outs, outages, kills."""

from __future__ import annotations

import datetime as dt
import json
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import sqlalchemy as sa

from gateway.clock import UTC
from gateway.db.models.accounts import integration
from gateway.db.models.mailings import instance
from gateway.db.models.subscribers import address_status, membership, remote_key, subscriber
from gateway.domain.accounts import ADMIN
from gateway.domain.mailing import PAUSED, SYNC_FAILED
from gateway.domain.records import Identifier, ImportOptions, StatusEntry, SubscriberRecord
from gateway.domain.sync import HELD
from gateway.services import imports, integrations, mailings, onetomany, suppression, sync, syncruns
from tests.support.mailhouse import MailHouse
from tests.support.sides import GROUP, SIDES, Listed
from tests.support.smtp_sink import SmtpSink

BEGINNING = dt.datetime(2026, 3, 1, 1, tzinfo=UTC)
DAYS = 30
PEOPLE = 60
MISTAKES = (5, 15, 18)
"""Days on which a system says what is not true."""
MAILING_DAYS = (2, 7, 11, 16, 20, 25, 29)
LEASES_END = dt.timedelta(minutes=11)
NEXT_PROBE = dt.timedelta(minutes=16)
_UNSUBSCRIBE = re.compile(rb"List-Unsubscribe: <http://[^/]+(/u/[^>]+)>")
_INSTANCE = re.compile(rb"Feedback-ID: ([0-9]+):")
HTML = "<html><body><p>Dear {{ remoteId }}</p></body></html>"


@dataclass(frozen=True, slots=True)
class Mail:
    """A message that the mail server took: whom it went to, of which instance, and how to say no."""

    instance_id: int
    number: int
    address: str
    unsubscribe: str


@dataclass(slots=True)
class Memory:
    """What the story knows to be true, whatever the gateway says."""

    addresses: dict[int, str] = field(default_factory=dict)
    owners: dict[str, int] = field(default_factory=dict)
    out: set[int] = field(default_factory=set)
    mailed_though_out: list[Mail] = field(default_factory=list)
    flags: dict[tuple[str, str], bool] = field(default_factory=dict)
    mails: list[Mail] = field(default_factory=list)
    kills: int = 0
    released: int = 0
    stopped: set[int] = field(default_factory=set)


class Afternoon:
    """The story. ``by_staff``, ``leaving`` and ``clicking`` people are different ones, so that it is known who is to
    be where at the end."""

    def __init__(self, url: str, folder: Path, smtp: SmtpSink, *, one_to_many: bool, seed: int = 1) -> None:
        self.chance = Random(seed)
        self.world = MailHouse(url, data_dir=folder / "data", smtp_url=smtp.url, brands=(1, 2))
        self.clock, self.smtp, self.memory = self.world.clock, smtp, Memory()
        self.clock.set(BEGINNING)
        self.sides = {made.name: made for made in (kind(folder) for kind in SIDES)}
        self.ids: dict[str, int] = {}
        self._read = 0
        self._worker = subprocess.Popen(
            [sys.executable, "-m", "tests.support.afternoon_worker", url, str(folder / "data"), smtp.url],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._set_up(one_to_many)

    def close(self) -> None:
        """Ends the workers and the systems."""
        self._worker.stdin.close()
        self._worker.wait(30)
        self._worker.stdout.close()
        for side in self.sides.values():
            side.close()
        self.world.close()

    # --- the people ---------------------------------------------------------------------------------------------

    @staticmethod
    def by_staff(number: int) -> bool:
        """Whose flag the staff of the systems sets and clears."""
        return number % 5 == 0

    @staticmethod
    def leaving(number: int) -> bool:
        """Who leaves and comes back."""
        return number % 5 == 1

    @staticmethod
    def clicking(number: int) -> bool:
        """Who unsubscribes here, and may be resubscribed."""
        return number % 5 > 1

    def _knows(self, name: str, number: int) -> bool:
        """Which system has whom: most people are in two of them."""
        return (number + list(self.sides).index(name)) % 3 != 0

    def _set_up(self, one_to_many: bool) -> None:
        for number in range(PEOPLE):
            self._name(number, f"p{number}@example.org")
            for name, side in self.sides.items():
                if self._knows(name, number):
                    side.put(str(number), self.memory.addresses[number])
        admin = self.world.actor(role=ADMIN)
        if one_to_many:
            with self.world.reading(admin) as unit:
                seen = onetomany.preview(unit)
            onetomany.switch_on(self.world.gateway, admin, seen.fingerprint)
        for name, side in self.sides.items():
            with self.world.unit(admin) as unit:
                self.ids[name] = integrations.add(unit, name, side.kind, side.config)
            side.night()
            assert sync.run(self.world.gateway, 1, self.ids[name]).state == "success"
        with self.world.unit(self.world.actor(brand_id=2)) as unit:  # the neighbour has the same people
            imports.import_records(unit, [SubscriberRecord(str(number), self.memory.addresses[number])
                                          for number in range(PEOPLE)], ImportOptions(interests=(GROUP,)))
        self.neighbour_before = self.neighbour()

    def _name(self, number: int, address: str) -> None:
        self.memory.addresses[number] = address
        self.memory.owners[address] = number

    # --- a day --------------------------------------------------------------------------------------------------

    def day(self, today: int) -> None:
        """One day: the systems are edited in the evening and export, workers work, people answer."""
        self.clock.set(BEGINNING + dt.timedelta(days=today))
        self._break(today)
        self._edit(today)
        for side in self.sides.values():
            side.night()
        if today in MAILING_DAYS:
            self._schedule(today)
        self._work()
        if today not in MISTAKES:
            self._release()
            self._resume()
        self._read_mail()
        self._answer()
        self._work()

    def _release(self) -> None:
        """An administrator looks at what the brake holds and lets go of what is meant so."""
        admin = self.world.actor(role=ADMIN)
        for name in self.sides:
            with self.world.unit(admin) as unit:
                (last,) = syncruns.last(unit, 1, integration=name)
                if last.state == HELD:
                    syncruns.start(unit, name, full=True, release=True)
                    self.memory.released += 1
        assert self._order() == 0

    def _resume(self) -> None:
        """What waits because a sync before it failed goes on; if a system is still away, it stops again."""
        with self.world.unit(self.world.actor(role=ADMIN)) as unit:
            for instance_id, reason in unit.connection.execute(
                    sa.select(instance.c.id, instance.c.reason).where(
                        instance.c.brand_id == 1, instance.c.state == PAUSED)).all():
                assert reason == SYNC_FAILED
                self.memory.stopped.add(instance_id)
                mailings.resume(unit, instance_id)

    def _break(self, today: int) -> None:
        """What goes wrong, by the day; other days it is mended."""
        members, society, branch = (self.sides[name] for name in ("members", "society", "branch"))
        script = {
            3: (members.leave,), 5: (members.come_back, branch.break_off), 8: (society.break_off,),
            9: (society.come_back,), 10: (society.leave,), 12: (self._clock_ahead,), 13: (society.come_back,),
            15: (members.empty,), 16: (members.fill,), 18: (self._lose_many,), 19: (self._find_them,),
            22: (branch.leave,), 24: (branch.come_back,), 26: (members.leave, society.leave),
            27: (members.come_back, society.come_back)}
        for act in script.get(today, ()):
            act()

    def _clock_ahead(self) -> None:
        """For one run the clock of a worker is two days ahead."""
        self._order(ahead=dt.timedelta(days=2), only="run_sync")

    def _lose_many(self) -> None:
        """Half of a system's people are gone by mistake: the brake must hold it."""
        society = self.sides["society"]
        self._lost = {key: each for key, each in society.everybody().items() if int(key) < PEOPLE // 2}
        for key in self._lost:
            society.drop(key)

    def _find_them(self) -> None:
        society = self.sides["society"]
        for key, each in self._lost.items():
            society.put(key, each.email)
            society.flag(key, each.flagged)

    def _edit(self, today: int) -> None:
        """What the staff does: flags, people who leave and come back, new addresses."""
        if today in (18, 19):  # a table that is being mended is left alone
            return
        for number in self.chance.sample(range(PEOPLE), 8):
            there = [side for name, side in self.sides.items() if self._knows(name, number) and self._is_up(side)]
            if self.by_staff(number):
                flagged = self.chance.random() < 0.5
                for side in there:
                    side.flag(str(number), flagged)
            elif self.leaving(number):
                for side in there:
                    if str(number) in side.everybody():
                        side.drop(str(number))
                    else:
                        side.put(str(number), self.memory.addresses[number])
            elif number not in self.memory.out and len(there) == sum(
                    self._knows(name, number) for name in self.sides):
                self._name(number, f"p{number}-{today}@example.org")
                for side in there:
                    side.move(str(number), self.memory.addresses[number])

    @staticmethod
    def _is_up(side) -> bool:
        try:
            side.everybody()
        except Exception:
            return False
        return True

    def _schedule(self, today: int) -> None:
        self.world.schedule(self.world.create(name=f"Day {today}", interests=(GROUP,), html=HTML))

    # --- the workers ----------------------------------------------------------------------------------------------

    def _work(self) -> None:
        """Two workers are killed at some moment of their work; then one is left in peace."""
        for _ in range(2):
            kind = self.chance.choice(("commit", "committed", "written"))
            count = self.chance.randrange(1, 4) if kind == "written" else self.chance.randrange(1, 25)
            self.memory.kills += self._order(trap=kind, count=count) != 0
            self.clock.advance(seconds=LEASES_END.total_seconds())
        assert self._order() == 0
        self.clock.advance(seconds=NEXT_PROBE.total_seconds())

    def _order(self, ahead: dt.timedelta = dt.timedelta(0), **order: object) -> int:
        self._worker.stdin.write(json.dumps({"now": (self.clock.now + ahead).isoformat(), **order}) + "\n")
        self._worker.stdin.flush()
        answer = int(self._worker.stdout.readline())
        assert answer in (0, -9), "a worker failed, see its standard error"
        return answer

    # --- what people do with their mail ------------------------------------------------------------------------------

    def _read_mail(self) -> None:
        new = self.smtp.messages[self._read:]
        self._read += len(new)
        for message in new:
            (address,), data = message.envelope_to, message.data.replace(b"\r\n ", b" ")
            mail = Mail(int(_INSTANCE.search(data)[1]), self.memory.owners[address], address,
                        _UNSUBSCRIBE.search(data)[1].decode())
            self.memory.mails.append(mail)
            self.memory.mailed_though_out += [mail] if mail.number in self.memory.out else []

    def _answer(self) -> None:
        """Some unsubscribe, by mails of any age; some are resubscribed, for they asked to be.

        Whom the systems know under different addresses for the moment is not asked: nobody knows that it is one person.
        """
        homes: dict[str, set[str]] = {}
        for _, key, email, _ in self.live_keys():
            homes.setdefault(key, set()).add(email)
        clicking = [mail for mail in self.memory.mails if self.clicking(mail.number)
                    and mail.number not in self.memory.out
                    and homes[str(mail.number)] == {self.memory.addresses[mail.number]}]
        for mail in self.chance.sample(clicking, min(2, len(clicking))):
            at = (mail.address, self.memory.addresses[mail.number])
            self.memory.flags |= dict.fromkeys(self._keys_at(at), True)
            assert self.world.hit(mail.unsubscribe, method="POST") == 200
            self.memory.out.add(mail.number)
        if self.memory.out and self.chance.random() < 0.3:
            number = self.chance.choice(sorted(self.memory.out))
            address = self.memory.addresses[number]
            keys = self._keys_at([address])
            with self.world.unit(self.world.actor(role=ADMIN)) as unit:
                done = suppression.resubscribe(unit, [StatusEntry(Identifier(email=address), "asked for it by phone")])
            if done.outcomes[0].status == "updated":
                self.memory.flags |= dict.fromkeys(keys, False)
                self.memory.out.discard(number)

    def _keys_at(self, addresses: Iterable[str]) -> list[tuple[str, str]]:
        """(system, remote ID) of every live key at these addresses."""
        return [(name, key) for name, key, email, _ in self.live_keys() if email in set(addresses)]

    # --- what is true -------------------------------------------------------------------------------------------------

    def live_keys(self) -> Iterator[tuple[str, str, str, bool]]:
        """(system, remote ID, address, flag) of every live link of the brand."""
        t = remote_key.c
        with self.world.reading() as unit:
            yield from unit.connection.execute(
                sa.select(integration.c.name, t.remote_id, subscriber.c.email, t.do_not_email)
                .join(integration, integration.c.id == t.integration_id)
                .join(subscriber, subscriber.c.id == t.subscriber_id)
                .where(t.brand_id == 1, t.ended_at.is_(None), integration.c.name.in_(self.sides))).all()

    def there(self) -> dict[tuple[str, str], Listed]:
        """The same as the systems say it."""
        return {(name, key): each for name, side in self.sides.items() for key, each in side.everybody().items()}

    def neighbour(self) -> list[list[sa.Row]]:
        """Everything that another brand has of its people."""
        with self.world.reading() as unit:
            return [unit.connection.execute(sa.select(table).where(table.c.brand_id == 2).order_by(*table.primary_key)
                                            ).all() for table in (subscriber, remote_key, membership, address_status)]

    def quiet(self) -> None:
        """Nothing is broken or edited any more: some nights later everything has found its way."""
        for side in self.sides.values():
            with suppress(OSError):
                side.come_back()
        for _ in range(4):
            self.clock.advance(days=1)
            for side in self.sides.values():
                side.night()
            for _ in range(2):
                assert self._order() == 0
                self.clock.advance(seconds=NEXT_PROBE.total_seconds())
            self._release()
            self._resume()
            self._read_mail()


def story(url: str, folder: Path, smtp: SmtpSink, **choices: bool) -> Afternoon:
    """The afternoon, told to its end; the caller closes it."""
    told = Afternoon(url, folder, smtp, **choices)
    for today in range(1, DAYS):
        told.day(today)
    told.quiet()
    return told


