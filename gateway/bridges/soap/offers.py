"""Which groups does a SOAP service list, and what does it say now of some fields of people?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from gateway.bridges.http.grouping import MAX_GROUPS
from gateway.bridges.http.places import shown
from gateway.bridges.port import Refused, RemoteGroup
from gateway.bridges.soap.calls import Listing
from gateway.bridges.soap.client import Client
from gateway.bridges.soap.config import Values
from gateway.bridges.soap.listing import pages
from gateway.bridges.soap.people import Left, asked_for
from gateway.bridges.soap.places import at, key, plain
from gateway.bridges.soap.reading import Node

MAX_NAME = 255


def fetch(client: Client, asked: Values, remote_ids: Sequence[str], wanted: Mapping[str, str],
          left: Left) -> dict[str, dict[str, str]]:
    """remote ID -> field -> text. ``wanted``: the fields, and where they stand. Raises Outage, Refused."""
    people = list(dict.fromkeys(remote_ids))
    told: dict[str, dict[str, str]] = {}
    for start in range(0, len(people), asked.size):
        known = frozenset(people[start:start + asked.size])
        for remote_id, node in asked_for(client, asked.call, people[start:start + asked.size], left):
            said = remote_id if asked.remote_id is None else key(node, asked.remote_id)
            if said is None or said not in known or (remote_id is not None and said != remote_id):
                continue
            values = {name: shown(plain(at(node, where))) for name, where in wanted.items()}
            told.setdefault(said, {name: text for name, text in values.items() if text is not None})
    return told


def read_groups(client: Client, listing: Listing) -> tuple[RemoteGroup, ...]:
    """All groups, each once, in the order of the list. Raises Outage; :class:`Refused` for a list of something else."""
    found: dict[str, RemoteGroup] = {}
    seen = 0
    for _reply, nodes in pages(client, listing, listing.call, {}, patient=False):
        seen += len(nodes)
        for group in filter(None, (_group(node, listing.fields) for node in nodes)):
            found.setdefault(group.group_id, group)
        if len(found) > MAX_GROUPS:
            raise Refused(f"The system lists more than {MAX_GROUPS} groups. Narrow groups.list.arguments down.")
    if seen and not found:
        raise Refused("No group of the list has an ID. Check groups.list.fields.group_id of the configuration.")
    return tuple(found.values())


def _group(node: Node, fields: Mapping[str, str]) -> RemoteGroup | None:
    group_id = _line(key(node, fields["group_id"]))
    if not group_id:
        return None
    size = key(node, fields["size"]) if "size" in fields else ""
    return RemoteGroup(group_id, _line(key(node, fields["name"])) or group_id,
                       int(size) if size.isascii() and size.isdecimal() and len(size) < 12 else None)


def _line(text: str) -> str:
    return text if text.isprintable() and len(text) <= MAX_NAME else ""
