"""What does the engine see of the relays? A source of messages that checks that the seam's promises are kept."""

import asyncio
from dataclasses import dataclass, field

from gateway.mail.relays import Outcome, Outgoing, Relays, Timeouts, Verdict
from gateway.mail.smtp_url import parse_relays
from gateway.mail.wire import data_form


@dataclass
class Desk:
    """Gives out ``waiting`` and keeps what it is told. What was not tried is given out again when ``again``."""

    waiting: list[Outgoing] = field(default_factory=list)
    begun: list[int] = field(default_factory=list)
    ended: dict[int, Outcome] = field(default_factory=dict)
    refused: list[tuple[str, Outcome]] = field(default_factory=list)
    out: dict[int, str] = field(default_factory=dict)
    taken_by: dict[int, str] = field(default_factory=dict)
    again: bool = True
    under_way: int = 0
    most_under_way: int = 0

    def put(self, number, address, body=b"Subject: x\r\n\r\nhello\r\n", sender="b-token@news.example.org"):
        form = data_form(b"Message-ID: <%d@x.org>\r\n" % number + body)
        self.waiting.append(Outgoing(number, 1, sender, address, form))

    def take(self, relay):
        if not self.waiting:
            return None
        message = self.waiting.pop(0)
        assert message.delivery_id not in self.out
        self.out[message.delivery_id] = self.taken_by[message.delivery_id] = relay
        return message

    def begin(self, message):
        assert message.delivery_id in self.out and message.delivery_id not in self.begun
        self.begun.append(message.delivery_id)
        self.under_way += 1
        self.most_under_way = max(self.under_way, self.most_under_way)

    def end(self, message, outcome):
        del self.out[message.delivery_id]
        begun = message.delivery_id in self.begun
        self.under_way -= begun
        if outcome.kind is Verdict.NOT_TRIED:
            assert not begun
            if self.again:
                self.waiting.append(message)
                return
        assert message.delivery_id not in self.ended
        self.ended[message.delivery_id] = outcome

    def relay_refused(self, relay, outcome):
        assert outcome.kind is Verdict.NOT_TRIED
        self.refused.append((relay, outcome))

    def kinds(self):
        """How many messages ended how."""
        kinds = [outcome.kind for outcome in self.ended.values()]
        return {kind: kinds.count(kind) for kind in set(kinds)}


async def until(condition, seconds=60.0):
    """Looks at the condition until it holds."""
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.002)


def with_relays(desk, url, work, *, timeouts=None, tls=None):
    """Runs ``await work(relays)`` beside relays at work for the desk, then closes them."""
    async def main():
        relays = Relays(parse_relays(url), desk, helo="localhost", timeouts=timeouts or Timeouts(5, 5, 5), tls=tls)
        running = asyncio.ensure_future(relays.run())
        await asyncio.sleep(0)
        try:
            worker = asyncio.ensure_future(work(relays))
            await asyncio.wait([worker, running], return_when=asyncio.FIRST_COMPLETED)
            if running.done():
                worker.cancel()
                running.result()
            await worker
        finally:
            await relays.close()
            if not running.done():
                await running
        assert not desk.out and relays.idle()

    asyncio.run(main())


def carry(desk, url, *, seconds=60.0, **options):
    """Lets relays work until every message of the desk has its end."""
    number = len(desk.waiting)
    with_relays(desk, url, lambda _: until(lambda: len(desk.ended) == number, seconds), **options)
