"""Python client of the Gateway SOAP API: dataclasses in and out, exceptions by error code.

>>> from gateway_client import Gateway, Record
>>> gateway = Gateway("http://127.0.0.1:8080", brand=9999, user="apiuser", password="...")  # doctest: +SKIP
>>> gateway.import_subscribers([Record(remote_id="17", email="ann@example.org")], interests=["News"])  # doctest: +SKIP
"""

from gateway_client.client import Gateway
from gateway_client.errors import (
    GatewayFault,
    GatewayUnavailable,
    NotAllowed,
    NotAuthenticated,
    NotFound,
    StateConflict,
)
from gateway_client.models import (
    CLEAR,
    BatchResult,
    Blocker,
    DecisionMade,
    Delivery,
    Description,
    Event,
    ExplainedPerson,
    Explanation,
    FailedRow,
    FieldDescription,
    Happening,
    Instance,
    Interest,
    InterestChange,
    Job,
    Mailing,
    MailingDraft,
    Preview,
    Record,
    RecordResult,
    Report,
    Subscriber,
    TestResult,
    Warned,
)

__all__ = [
    "CLEAR",
    "BatchResult",
    "Blocker",
    "DecisionMade",
    "Delivery",
    "Description",
    "Event",
    "ExplainedPerson",
    "Explanation",
    "FailedRow",
    "FieldDescription",
    "Gateway",
    "GatewayFault",
    "GatewayUnavailable",
    "Happening",
    "Instance",
    "Interest",
    "InterestChange",
    "Job",
    "Mailing",
    "MailingDraft",
    "NotAllowed",
    "NotAuthenticated",
    "NotFound",
    "Preview",
    "Record",
    "RecordResult",
    "Report",
    "StateConflict",
    "Subscriber",
    "TestResult",
    "Warned",
]
