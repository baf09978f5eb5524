"""How do the recipients of an instance get their messages? One run, which may come at any time (SEND-6, SEND-12)."""

from __future__ import annotations

import logging
from collections import Counter

from gateway.db.queries import deliveries, instances
from gateway.domain.accounts import system_actor
from gateway.errors import GatewayError
from gateway.log import event
from gateway.mail.journal import JournalBroken
from gateway.services import lifecycle, senderwork
from gateway.services.gateway import Gateway
from gateway.services.recovery import recover
from gateway.services.sender import Pace, RunEnd, Sender
from gateway.services.senderwork import View

log = logging.getLogger("gateway.services")

PACE = Pace()
HELPERS = 3


def run_instance(gateway: Gateway, brand_id: int, instance_id: int, pace: Pace = PACE) -> None:
    """Takes an instance as far as it can go now, and rings for the rest.

    A lost, repeated, early or late call, and calls at the same time, lose and repeat nothing: each step starts from
    the stored state. One sender of the process sends for all instances that are due; while it is at work, a call tells
    it that there is more, and returns. Raises ``UNAVAILABLE`` when the store is away.
    """
    recover(gateway)
    lifecycle.advance(gateway, system_actor(brand_id), instance_id)
    end = _send(gateway, pace, brand_id, instance_id)
    wait_s = end.wait_s
    if end.unreachable:
        wait_s = gateway.sender.unreachable(gateway.clock())
    for instance, claimed in end.claimed.items():
        lifecycle.finish(gateway, system_actor(instance.brand_id), instance.instance_id, claimed, wait_s)
    if instance_id not in {instance.instance_id for instance in end.claimed}:
        lifecycle.finish(gateway, system_actor(brand_id), instance_id, 0, 0.0)


def due(gateway: Gateway) -> list[tuple[int, int]]:
    """(brand, instance) of everything that waits: what the sweep must ring for. What dead senders of this host had in
    hand waits again, or has its outcome, when this returns (SEND-21)."""
    recover(gateway)
    with gateway.reading(system_actor(0)) as unit:
        return instances.due(unit.connection, unit.now)


def _send(gateway: Gateway, pace: Pace, brand_id: int, instance_id: int) -> RunEnd:
    """Sends whatever can go, unless another thread does, the mail servers are to be left alone, or nothing waits."""
    turn = gateway.sender
    if not turn.enter():
        return RunEnd(Counter())
    try:
        view = _view(gateway)
        while not view.ready or turn.wait_s(gateway.clock()):
            if turn.is_over():
                return RunEnd(Counter())
            view = _view(gateway)
        _call_for_help(gateway, pace, brand_id, instance_id)
        sender = Sender(gateway, pace, view, turn.is_over)
        turn.listen(sender.wake)
        return sender.run()
    except JournalBroken as error:
        event(log, "journal not written", level=logging.ERROR, reason=str(error))
        raise GatewayError("UNAVAILABLE", "The journal of the sender cannot be written: make room on the disk of the "
                                          "data folder, or repair it.") from error
    finally:
        turn.leave()


def _call_for_help(gateway: Gateway, pace: Pace, brand_id: int, instance_id: int) -> None:
    """Rings for the workers of other processes where there is more than this one can take in hand. They come a little
    later, so that not only our own idle threads, for whom there is nothing to do, hear it."""
    with gateway.unit(system_actor(brand_id)) as unit:
        much = pace.batch * pace.connections
        if deliveries.ready_count(unit.connection, instance_id, unit.now, much + 1) > much:
            for number in range(1, HELPERS + 1):
                unit.ring("run_instance", brand_id, instance_id, delay_s=float(number))


def _view(gateway: Gateway) -> View:
    with gateway.reading(system_actor(0)) as unit:
        return senderwork.look(unit)
