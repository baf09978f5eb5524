"""Which groups does a REST interface list, and is one of them there?"""

from __future__ import annotations

from gateway.bridges import rows
from gateway.bridges.http.client import Client
from gateway.bridges.http.listing import pages
from gateway.bridges.http.offers import Listing
from gateway.bridges.http.places import Json, at
from gateway.bridges.port import Refused, RemoteGroup

MAX_GROUPS = 20_000


def read_groups(client: Client, listed: Listing) -> tuple[RemoteGroup, ...]:
    """All groups, each once, in the order of the list. Raises Outage; :class:`Refused` for a list of something else."""
    found: dict[str, RemoteGroup] = {}
    seen = 0
    for _answer, some in pages(client, client.url(listed.path), listed.items, listed.paging, patient=False):
        seen += len(some)
        for each in some:
            group = _group(each, listed)
            if group is not None:
                found.setdefault(group.group_id, group)
        if len(found) > MAX_GROUPS:
            raise Refused(f"The system lists more than {MAX_GROUPS} groups. Narrow groups.list.path down.")
    if seen and not found:
        raise Refused("No group of the list has an ID. Check groups.list.fields.group_id in the configuration.")
    return tuple(found.values())


def _group(value: Json, listed: Listing) -> RemoteGroup | None:
    group_id = _text(at(value, listed.fields["group_id"]))
    if not group_id:
        return None
    size = _text(at(value, listed.fields["size"])) if "size" in listed.fields else ""
    return RemoteGroup(group_id, _text(at(value, listed.fields["name"])) or group_id,
                       int(size) if size.isascii() and size.isdecimal() and len(size) < 12 else None)


def _text(value: Json) -> str:
    """One line of text, or nothing."""
    if isinstance(value, dict | list | bool):
        return ""
    text = (rows.text(value) or "").strip()
    return text if text.isprintable() and len(text) <= 255 else ""
