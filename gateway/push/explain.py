"""Why is a person as it is, and why does it get mail or none? (PUSH-36, ID-79)"""

from __future__ import annotations

from flask import Blueprint, Response, g

from gateway.clock import instant
from gateway.domain.explained import facts
from gateway.domain.records import Identifier
from gateway.errors import GatewayError
from gateway.push import query
from gateway.push.answers import show
from gateway.push.operations import operation
from gateway.push.query import Parameter
from gateway.push.schemas import people
from gateway.push.schemas.explanation import EXPLANATION
from gateway.push.schemas.kinds import Id, Text
from gateway.services import explain
from gateway.services.gateway import Gateway

_WHOM = (Parameter("email", people.EMAIL), Parameter("remoteId", people.REMOTE_ID),
         Parameter("subscriberId", Id("our id of the person, a merged one's too")))
_WHAT = (Parameter("mailing", Id("a mailing: would it reach the person now")),
         Parameter("instance", Id("one publication of a mailing: did it reach the person")),
         Parameter("integration", Text("whose remote id it is, when it is not the key's own")))


def routes(gateway: Gateway) -> Blueprint:
    """/subscribers/explain."""
    made = Blueprint("explain", __name__)

    @made.get("/subscribers/explain")
    @operation("PUSH-36", "Why is this person as it is", scope="report", answer=EXPLANATION,
               parameters=(*_WHOM, *_WHAT), codes=("INVALID_EMAIL", "IDENTITY_MISMATCH", "NOT_FOUND", "FIELD_TOO_LONG"),
               about="email, remoteId or subscriberId is needed. Foreign systems are asked what they list now, for two "
                     "seconds at most.")
    def show_why() -> Response:
        who = Identifier(query.given("subscriberId"), query.given("remoteId"), query.given("email"))
        if who == Identifier():
            raise GatewayError("INVALID_REQUEST", "Say whom: ?email=, ?remoteId= or ?subscriberId=.", field="email")
        answer = explain.explain(gateway, g.actor, who, mailing_id=query.given("mailing"),
                                 instance_id=query.given("instance"), integration=query.given("integration"))
        return show(facts(answer, instant))

    return made
