"""What is an integration: a foreign system of a brand, and how is it?"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

API = "api"
"""The kind without a bridge: it calls us, and we cannot call it."""


STANDARD, IMIS_LEGACY = "standard", "imis_legacy"
IDENTITIES = (STANDARD, IMIS_LEGACY)
"""How an integration's records are known: by remote ID and address as they come, or by the iMIS ID alone (ID-3)."""

IMIS_ID = "iMIS ID"


def remote_id_label(identity: str) -> str:
    """What doors and reports call the remote ID of an integration of this ``identity`` (ID-3)."""
    return IMIS_ID if identity == IMIS_LEGACY else "remote ID"


@dataclass(frozen=True, slots=True)
class IntegrationView:
    """An integration as lists show it; its configuration is a secret and not part of it.

    ``state``: ``up``, or ``down`` during an outage, with the time of the next probe and the number of
    outages met in a row (ID-60). ``cursor``: up to where its changes are known (ID-68).
    """

    integration_id: int
    brand_id: int
    name: str
    kind: str
    state: str
    probe_at: dt.datetime | None
    failures: int
    cursor: str | None
    created_at: dt.datetime
