"""Which records have no link any more, why, and what can be done about each? (ID-29, ID-32..34)"""

from __future__ import annotations

from gateway.db.queries import orphans as stored
from gateway.db.unit import Unit
from gateway.domain import orphans as rules
from gateway.domain.orphans import Ending, OrphanFilter, OrphanView
from gateway.domain.paging import Page, PageRequest
from gateway.services.integrations import get_by_name
from gateway.services.paging import close_page, open_window

_NOTHING = Ending(None, None, None, None)


def find(unit: Unit, wanted: OrphanFilter, request: PageRequest) -> Page[OrphanView]:
    """A page of orphans in the order in which they were changed, each with its reason and what can be done.

    Runs in ``gateway.feed``. Raises ``NOT_ALLOWED``, ``NOT_FOUND`` (integration), ``INVALID_TOKEN``, ``INVALID_VALUE``.
    """
    unit.actor.require("report")
    integration_id = None if wanted.integration is None else get_by_name(unit, wanted.integration).integration_id
    window = open_window(unit, "orphans", wanted, request)
    rows = stored.find(unit.connection, unit.brand_id, window, integration_id)
    page = close_page(unit, "orphans", wanted, window, rows, lambda row: (row.changed_at, row.subscriber_id))
    endings = stored.endings(unit.connection, unit.brand_id, [row.subscriber_id for row in page.items])
    emails = sorted({row.email for row in page.items if row.email is not None})
    there = stored.neighbours(unit.connection, unit.brand_id, emails)
    return Page(tuple(rules.view(row.subscriber_id, row.email, row.changed_at,
                                 endings.get(row.subscriber_id, _NOTHING), there) for row in page.items),
                page.next_token, page.as_of)
