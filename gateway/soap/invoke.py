"""What happens between a readable request and its answer: who, may they, was it answered before, do it, write it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from gateway.domain.accounts import Actor
from gateway.errors import GatewayError
from gateway.services import idempotency, refusals
from gateway.services.gateway import Gateway, Unit
from gateway.soap import auth, faults
from gateway.soap.encode import ANSWER, response
from gateway.soap.operation import ACT, ASK, FIND, FREE, READ, STEP, STREAM, Operation
from gateway.spynekit.canonical import canonical
from gateway.spynekit.codec import raw_answer

MAX_ANSWER_CHARS = 7 * 1024 * 1024
"""A page is cut before its answer could pass 8 MiB (SOAP-71)."""

KEY_MEMBER = "clientRequestId"
KEY_ELEMENT = re.compile(rb"<clientRequestId>[^<]*</clientRequestId>")
KEY_WITHIN = 8192
"""The key is the request's first member, and at most 255 characters long or refused."""

NOT_REPLAYED, REPLAYED = "<replayed>false</replayed>", "<replayed>true</replayed>"
REPLAYED_EXTRA = "<extra><name>replayed</name><value>true</value></extra>"
HEAD_CHARS = 1000


@dataclass(frozen=True, slots=True)
class Invoker:
    """Runs operations for one gateway. The answer is complete and committed when it returns (SOAP-84)."""

    gateway: Gateway

    def __call__(self, operation: Operation, ctx: Any, request: Any) -> None:
        """Runs ``operation`` and hands its answer to the protocol; raises what is to become a fault."""
        auth.check_headers(self.gateway, ctx)
        if operation.way == FREE:
            xml = response(operation.name, operation.answer, operation.run(self.gateway, request))
        else:
            actor = auth.authenticate(self.gateway, ctx)
            try:
                if operation.right:
                    actor.require(operation.right)
                xml = self.run(operation, actor, ctx, request)
            except GatewayError as error:
                refusal = faults.in_our_words(error)
                refusals.note(self.gateway, actor, operation.name, refusal)
                raise refusal from None
        raw_answer(ctx, xml)

    def run(self, operation: Operation, actor: Actor, ctx: Any, request: Any) -> str:
        """The response element, made in the kind of transaction that the operation asks for."""
        if operation.way == READ:
            with self.gateway.reading(actor) as unit:
                return done_in(unit, operation, request)
        if operation.way == FIND:
            with self.gateway.feed(actor) as unit:
                return page_in(unit, operation, request)
        if operation.way == ASK:
            return response(operation.name, operation.answer, operation.run(self.gateway, actor, request))
        if operation.way == STREAM:
            return self.take(operation, actor, ctx, request)
        key = getattr(request, KEY_MEMBER)
        asked = None if key is None else Asked(operation.name, key, fingerprint(ctx.in_body_doc))
        if operation.way in (ACT, STEP):
            return self.act(operation, actor, asked, request)
        with self.gateway.unit(actor) as unit:
            return kept_or_done(unit, asked, lambda: done_in(unit, operation, request))

    def take(self, operation: Operation, actor: Actor, ctx: Any, request: Any) -> str:
        """For data that is stored while it comes in, before there is a transaction.

        ``run`` is a context that ends with that: it has a ``digest`` of the data and ``finish(unit)`` for the rest.
        """
        if ctx.udc.stream is None:
            raise faults.begins_late(operation.name)
        with operation.run(self.gateway, actor, request, ctx.udc.stream) as arrived:
            key = getattr(request, KEY_MEMBER)
            asked = None if key is None else Asked(operation.name, key, fingerprint(ctx.in_body_doc, arrived.digest))
            with self.gateway.unit(actor) as unit:
                return kept_or_done(unit, asked, lambda: response(operation.name, operation.answer,
                                                                  arrived.finish(unit)))

    def act(self, operation: Operation, actor: Actor, asked: Asked | None, request: Any) -> str:
        """For work that cannot be one transaction (mail leaves in between): the answer is kept after it.

        What must not be done twice at the same time has its key reserved meanwhile, unless it is refused.
        """
        reserves = asked if operation.way == ACT else None
        if asked:
            with self.gateway.unit(actor) as unit:
                kept = asked.answer(unit)
                if not kept and reserves:
                    reserves.reserve(unit)
            if kept:
                return kept
        try:
            xml = response(operation.name, operation.answer, operation.run(self.gateway, actor, request))
        except GatewayError:
            if reserves:
                with self.gateway.unit(actor) as unit:
                    reserves.release(unit)
            raise
        if asked:
            with self.gateway.unit(actor) as unit:
                asked.keep(unit, xml)
        return xml


def kept_or_done(unit: Unit, asked: Asked | None, do: Callable[[], str]) -> str:
    """The answer that was kept for the key, else that of the work, which is kept in the unit's transaction."""
    kept = asked and asked.answer(unit)
    if kept:
        return kept
    xml = do()
    if asked:
        asked.keep(unit, xml)
    return xml


def done_in(unit: Unit, operation: Operation, request: Any) -> str:
    """The response element of work in one transaction."""
    return response(operation.name, operation.answer, operation.run(unit, request))


def page_in(unit: Unit, operation: Operation, request: Any) -> str:
    """A page, read again with fewer rows while it is too long (SOAP-71); its token then begins earlier."""
    while True:
        values = operation.run(unit, request)
        rows = len(values["item"])
        xml = response(operation.name, operation.answer, values)
        if len(xml) <= MAX_ANSWER_CHARS or rows <= 1:
            return xml
        request.pageSize = max(1, rows * MAX_ANSWER_CHARS // len(xml) * 9 // 10)


@dataclass(frozen=True, slots=True)
class Asked:
    """A write with a clientRequestId (SOAP-72)."""

    operation: str
    key: str
    fingerprint: str

    def answer(self, unit: Unit) -> str | None:
        """The answer that the first call got, marked as replayed; None for a new key. Raises as ``replay`` does."""
        kept = idempotency.replay(unit, operation=f"soap:{self.operation}", key=self.key,
                                  fingerprint=self.fingerprint, field=KEY_MEMBER)
        return None if kept is None else as_replayed(kept.answer.decode(), unit.actor.request_id)

    def reserve(self, unit: Unit) -> None:
        """Lets nobody else begin the same request."""
        idempotency.reserve(unit, operation=f"soap:{self.operation}", key=self.key, fingerprint=self.fingerprint)

    def release(self, unit: Unit) -> None:
        """Lets the request be made again, for it was refused."""
        idempotency.release(unit, operation=f"soap:{self.operation}", key=self.key)

    def keep(self, unit: Unit, xml: str) -> None:
        """Stores the answer in the unit's transaction."""
        idempotency.remember(unit, operation=f"soap:{self.operation}", key=self.key, fingerprint=self.fingerprint,
                             status=200, answer=xml.encode())


def as_replayed(xml: str, request_id: str) -> str:
    """A stored answer as it is given again: with this call's request id (SOAP-12) and ``replayed``.

    Answers without a member ``replayed`` say it in ``extra``, which every answer type ends with (SOAP-31).
    """
    start = xml.find("<requestId>", 0, HEAD_CHARS)
    if start >= 0:
        start += len("<requestId>")
        xml = xml[:start] + request_id + xml[xml.index("<", start):]
    if NOT_REPLAYED in xml[:HEAD_CHARS]:
        return xml.replace(NOT_REPLAYED, REPLAYED, 1)
    end = xml.rindex(f"</{ANSWER}>")
    return xml[:end] + REPLAYED_EXTRA + xml[end:]


def fingerprint(entry: Any, digest: str = "") -> str:
    """A hash of the request element without the key itself (SOAP-72). Credentials are in the header, so not in it.

    ``digest`` stands for the data of a stream, which is not in the element.
    """
    data = canonical(entry)
    return hashlib.sha256(
        KEY_ELEMENT.sub(b"", data[:KEY_WITHIN]) + data[KEY_WITHIN:] + digest.encode()).hexdigest()
