"""What happens between the text of x and the text of the answer: who asks, what, do it all or nothing, write it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from gateway.aapi import auth, envelope, payload
from gateway.aapi.actions.registry import ACTIONS, Action
from gateway.aapi.auth import Admitted
from gateway.aapi.contract import NAMESPACE, RESPONSE, RESULT
from gateway.aapi.envelope import Request
from gateway.aapi.faults import UNEXPECTED_INPUT, UNKNOWN_ACTION, AapiError, from_gateway
from gateway.aapi.grids.request import answer_grid
from gateway.aapi.nodes import Node, children, local
from gateway.domain.callers import client_ip
from gateway.errors import GatewayError
from gateway.services import documentaccounts, refusals
from gateway.services.gateway import Gateway
from gateway.spynekit.codec import element, raw_answer
from gateway.spynekit.wsgi import Call

REPORT = "report"


@dataclass(frozen=True, slots=True)
class Poster:
    """Answers the one operation for one gateway. The answer is complete and committed when it returns."""

    gateway: Gateway

    def __call__(self, ctx: Any, x: str) -> None:
        """Hands the answer to the protocol; raises what is to become a fault."""
        answer = self.answer(ctx.udc, x)
        raw_answer(ctx, f'<{RESPONSE} xmlns="{NAMESPACE}">{element(RESULT, answer)}</{RESPONSE}>')

    def answer(self, call: Call, x: str) -> str:
        """The document that answers the one in ``x``. Raises ``AapiError`` or ``GatewayError``."""
        request = envelope.read(x)
        call.operation = request.kind.request
        environ = call.environ
        remote_addr = client_ip(environ.get("REMOTE_ADDR", ""), environ.get("HTTP_X_FORWARDED_FOR", ""),
                                self.gateway.settings.trusted_proxies)
        admitted = auth.admit(self.gateway, request, remote_addr, call.request_id)
        try:
            written = "".join(self.answers(call, request, admitted))
        except (AapiError, GatewayError) as error:
            self.note(call, admitted, error)
            raise
        packed = payload.write(admitted.payload.kind, written, admitted.key)
        return envelope.write(request.kind, admitted.account, admitted.user, packed)

    def answers(self, call: Call, request: Request, admitted: Admitted) -> list[str]:
        """What each grid or action answers, in document order."""
        asked = list(children(admitted.payload.node))
        if not asked:
            raise envelope.nothing_asked(request)
        if len(asked) > request.kind.most:
            raise AapiError(UNEXPECTED_INPUT, f"{request.kind.asked} takes at most {request.kind.most} elements; "
                                              f"{len(asked)} came. Send several documents.", asked[request.kind.most])
        run = self.grids if request.kind is envelope.GRIDS else self.actions
        return run(call, admitted, asked)

    def grids(self, _call: Call, admitted: Admitted, asked: list[Node]) -> list[str]:
        """All grids of a document see one snapshot; together they are no longer than what may be inflated."""
        auth.require(admitted.actor, REPORT)
        answers: list[str] = []
        room = payload.MAX_BYTES
        with self.gateway.reading(admitted.actor) as unit:
            for node in asked:
                answers.append(answer_grid(unit, node, room))
                room -= len(answers[-1])
        return answers

    def actions(self, call: Call, admitted: Admitted, asked: list[Node]) -> list[str]:
        """All actions of a document are one transaction: the first that fails undoes the others. The documents of an
        account run one after the other, so that their actions may come in any order."""
        answers = []
        with self.gateway.unit(admitted.actor) as unit:
            documentaccounts.take_turn(unit)
            for node in asked:
                action = action_of(node)
                call.operation = f"{envelope.ACTIONS.request} {action.name}"
                auth.require(admitted.actor, action.right)
                answers.append(action.run(unit, node))
        return answers

    def note(self, call: Call, admitted: Admitted, error: AapiError | GatewayError) -> None:
        """Keeps what was refused to whom, where administrators look for it."""
        told = from_gateway(error) if isinstance(error, GatewayError) else error
        refusals.keep(self.gateway, admitted.actor, call.operation or "", told.code, told.reason)


def action_of(node: Node) -> Action:
    """The action that an element asks for. Raises ``UnknownActionException``."""
    action = ACTIONS.get(local(node))
    if action is None:
        raise AapiError(UNKNOWN_ACTION, f"There is no action {local(node)[:100]}; there are {', '.join(ACTIONS)}.",
                        node)
    return action
