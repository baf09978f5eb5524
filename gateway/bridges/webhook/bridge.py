"""How does a fact reach a system that takes signed posts, and what does its answer mean? (ID-63)"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from typing import Protocol

from gateway.bridges.http.wire import Wire
from gateway.bridges.port import Outage, Refused, WritebackItem
from gateway.bridges.webhook.config import WebhookConfig, read_config
from gateway.clock import Clock, instant, system_clock

_AWAY = (401, 408, 410, 425, 429)
"""Answers that say nothing about the record: secrets that differ, a system that is busy, a receiver that is gone."""


class Writer(Protocol):
    """What writes facts into a foreign system: a bridge, or a webhook."""

    writes: frozenset[str]
    """The kinds that it takes."""

    def write_back(self, item: WritebackItem) -> None:
        """As :meth:`gateway.bridges.port.Bridge.write_back`."""

    def check(self) -> None:
        """As :meth:`gateway.bridges.port.Bridge.check`."""

    def close(self) -> None:
        """As :meth:`gateway.bridges.port.Bridge.close`."""


class WebhookBridge:
    """Posts facts as JSON, signed as the Standard Webhooks specification says, and reads nothing.

    The receiver's certificate is verified, no redirect is followed, no proxy of the environment is used. Addresses of
    a private network are fine: an AMS stands in-house, and who sets a webhook is the operator.
    """

    written_fields: frozenset[str] | None = None  # whoever takes changes of fields gets those of all

    def __init__(self, config: WebhookConfig, clock: Clock = system_clock) -> None:
        self._config, self._clock = config, clock
        self._wire = Wire(None)
        self.writes = config.take

    @classmethod
    def from_config(cls, config: Mapping[str, object], clock: Clock = system_clock) -> WebhookBridge:
        """A webhook that connects to nothing yet; raises ``INVALID_VALUE`` naming the key at fault and the remedy."""
        return cls(read_config(config, clock()), clock)

    def write_back(self, item: WritebackItem) -> None:
        """Posts the fact; any 2xx says that the receiver has stored it, whatever else it says. Its id stays the same.

        Raises :class:`Outage` for 5xx, 401, 408, 410, 425, 429 and no whole answer in time, :class:`Refused` for the
        others. A receiver that is gone for good (410) is not forgotten: rows wait until somebody changes the webhook.
        """
        body, number = _body(item), f"wb-{item.writeback_id}"
        at = str(int(self._clock().timestamp()))
        answer = self._wire.exchange("POST", self._config.url, {
            "Content-Type": "application/json", "User-Agent": "gateway-webhook", "webhook-id": number,
            "webhook-timestamp": at, "webhook-signature": signatures(self._config.secrets, number, at, body),
        }, body, self._config.timeout_s, is_read=False)
        status = answer.status
        if 200 <= status < 300:
            return
        if status == 410:
            raise Outage("The receiver of the webhook says that it is gone (HTTP status 410). Set another address, or "
                         "end the webhook.")
        if status >= 500 or status in _AWAY:
            raise Outage(f"The receiver of the webhook is away, too busy or does not know the signature (HTTP status "
                         f"{status}).")
        if 300 <= status < 400:
            raise Outage(f"The receiver of the webhook sends us elsewhere (HTTP status {status}), which is not "
                         "followed. Set the address that it names.")
        raise Refused(f"The receiver of the webhook does not take it (HTTP status {status}).")

    def check(self) -> None:
        """Nothing: there is no harmless post. The next fact tells whether the receiver is there."""

    def close(self) -> None:
        """Closes the connections."""
        self._wire.close()


def signatures(keys: Sequence[bytes], number: str, at: str, body: bytes) -> str:
    """The signatures by all keys that count, with blanks between: ``v1,`` and HMAC-SHA256 over id, time and body."""
    signed = f"{number}.{at}.".encode() + body
    return " ".join("v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode() for key in keys)


def _body(item: WritebackItem) -> bytes:
    """The fact; what it does not have is left out, but for the value of a field that was cleared, which is null."""
    facts = {
        "id": str(item.writeback_id), "remoteId": item.remote_id, "email": item.email or None,
        "occurredAt": instant(item.occurred_at), "origin": item.origin, "reason": item.reason, "code": item.code,
        "bounceClass": item.bounce_class, "interest": item.interest, "field": item.field, "value": item.value,
        "instanceId": None if item.instance_id is None else str(item.instance_id), "mailing": item.mailing,
        "link": item.link}
    known = {name: value for name, value in facts.items()
             if value is not None or (name == "value" and item.field is not None)}
    return json.dumps({"type": f"writeback.{item.kind}", "timestamp": instant(item.occurred_at), "data": known},
                      ensure_ascii=False).encode()
