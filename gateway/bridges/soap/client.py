"""How do we call an operation of a configured SOAP service, within a time?"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from gateway.bridges.http.calls import filled_body
from gateway.bridges.http.places import Json
from gateway.bridges.http.wire import Answer, Wire
from gateway.bridges.port import Outage
from gateway.bridges.soap.calls import SoapCall
from gateway.bridges.soap.config import SoapConfig
from gateway.bridges.soap.contract import Contract, Misfit, contract, forget
from gateway.bridges.soap.documents import follow
from gateway.bridges.soap.faults import read_answer
from gateway.bridges.soap.places import check_said
from gateway.bridges.soap.reading import Node

MAX_WAITS, PATIENCE_S = 5, 120.0  # a page comes within the five minutes of a sync's lease


@dataclass(frozen=True, slots=True)
class Reply:
    """What a call was answered with. ``date``: the header of that name, empty without."""

    content: Node
    date: str


class Client:
    """One service. Nothing is connected before the first call; several threads may call at once."""

    def __init__(self, config: SoapConfig) -> None:
        self._config = config
        self._wire = Wire(config.ca_file)
        self._reading = threading.Lock()
        self._contract: Contract | None = None
        self._is_closed = threading.Event()

    def contract(self, limit_s: float | None = None) -> Contract:
        """The service's WSDL, read when it is asked for first. Raises Outage, Refused."""
        with self._reading:  # by one of the threads that ask for it
            if self._contract is None:
                self._contract = contract(self._config, self._wire,
                                          self._config.timeout_s if limit_s is None else limit_s)
            return self._contract

    def call(self, call: SoapCall, known: Mapping[str, Json], limit_s: float | None = None, *,
             key: str | None = None, patient: bool = False) -> Reply:
        """Calls an operation; returns what it answers when that is neither a fault nor says that it was not done.

        ``key`` goes along as ``Idempotency-Key``. ``patient``: waits when the system says for how many seconds it is
        busy. All within ``limit_s``, without the waiting. Raises :class:`Outage`, :class:`Refused`.
        """
        deadline = time.monotonic() + (self._config.timeout_s if limit_s is None else limit_s)
        try:
            found = self.contract(deadline - time.monotonic())
            message = found.message(call.operation, filled_body(dict(call.arguments), known))  # type: ignore[arg-type]
        except Misfit:
            forget(self._config)
            raise
        headers = {**self._config.auth.http_headers(), **message.headers,
                   "Accept": "text/xml, application/soap+xml", **({} if key is None else {"Idempotency-Key": key})}
        answer = self._asked(lambda until: follow(self._wire, "POST", message.url, headers, message.body, until),
                             deadline, patient)
        content = read_answer(answer, self._config, may_be_empty=not found.answers(call.operation))
        expected = found.answer_name(call.operation)
        if content is not None and expected is not None and content.name != expected:
            forget(self._config)
            raise Outage("The system's answer is another one than its WSDL says.")
        content = Node("") if content is None else content
        check_said(content, call.ok)
        return Reply(content, answer.headers.get("date", ""))

    def close(self) -> None:
        """Closes the connections; a waiting for a busy system ends."""
        self._is_closed.set()
        self._wire.close()

    def _asked(self, ask: Callable[[float], Answer], deadline: float, patient: bool) -> Answer:
        limit_s, patience = deadline - time.monotonic(), time.monotonic() + PATIENCE_S
        for _ in range(MAX_WAITS if patient else 0):
            answer = ask(deadline)
            wait = answer.headers.get("retry-after", "")[:9]
            if answer.status not in (429, 503) or not wait.isdecimal() or time.monotonic() + int(wait) > patience:
                return answer
            if self._is_closed.wait(int(wait)):
                raise Outage("The bridge was closed while the system was busy.")
            deadline = time.monotonic() + limit_s
        return ask(deadline)


