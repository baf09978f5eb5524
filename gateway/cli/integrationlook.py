"""How does an operator see which foreign systems a brand has, and what one of them answers?"""

from __future__ import annotations

import argparse
import datetime as dt
from collections.abc import Mapping
from contextlib import closing
from typing import Any

from gateway import app
from gateway.cli.common import Commands, operator, say
from gateway.clock import instant
from gateway.domain.integration import IntegrationView
from gateway.domain.lookround import Look, MembersSeen


def declare(group: Commands) -> None:
    """Declares ``gateway integration list``, ``show`` and ``check``."""
    group.add("list", _list, "List the foreign systems of a brand.", branded=True)
    made = group.add("show", _show, "Show how an integration is set up and how it is; never its configuration.",
                     branded=True)
    made.add_argument("--name", required=True)
    made = group.add("check", _check, "Ask a foreign system for a little of everything, and change nothing.",
                     branded=True)
    made.add_argument("--name", required=True)


def _list(args: argparse.Namespace) -> int:
    with closing(app.open_gateway(args.config)) as gateway, gateway.reading(operator(args)) as unit:
        app.accounts.require_brand(unit)
        found = [_line(each, app.syncchoices.facts(unit, each.integration_id)) for each in app.integrations.find(unit)]
    return say(args, {"integrations": found}, "\n".join(map(_sentence, found)) or "There are none.")


def _line(found: IntegrationView, sync: Mapping[str, Any]) -> dict[str, object]:
    return {"id": found.integration_id, "name": found.name, "kind": found.kind, "state": found.state,
            "probeAt": _at(found.probe_at), "lastSync": sync["lastState"], "lastSyncAt": _at(sync["lastStartedAt"]),
            "nextSyncAt": _at(sync["nextSyncAt"]), "pulls": list(found.pulls), "webhook": found.has_webhook}


def _at(moment: dt.datetime | None) -> str | None:
    return None if moment is None else instant(moment)


def _sentence(line: Mapping[str, Any]) -> str:
    parts = [line["state"] + (f", tried again at {line['probeAt']}" if line["probeAt"] else "")]
    parts.append(f"last sync {line['lastSync']} at {line['lastSyncAt']}" if line["lastSync"] else "never synced")
    if line["pulls"]:
        parts.append(f"fetches {', '.join(line['pulls'])}")
    if line["webhook"]:
        parts.append("has a webhook")
    return f"{line['name']} ({line['kind']}): {'; '.join(parts)}"


def _show(args: argparse.Namespace) -> int:
    with closing(app.open_gateway(args.config)) as gateway, gateway.reading(operator(args)) as unit:
        app.accounts.require_brand(unit)
        found = app.integrations.get_by_name(unit, args.name)
        choices = app.syncchoices.facts(unit, found.integration_id)
        offer = app.integrationcheck.offer(unit, found)
    facts: dict[str, object] = _line(found, choices) | {
        "createdAt": _at(found.created_at), "failures": found.failures, "changesKnown": found.cursor is not None,
        "writebacks": list(offer.kinds), "way": offer.way, "fields": list(offer.fields)}
    facts |= {name: _at(value) if isinstance(value, dt.datetime) else value for name, value in choices.items()
              if not name.startswith("last") or name == "lastCompleteAt"}
    if offer.problem is not None:
        facts["problem"] = offer.problem
    lines = [f"{name}: {_plain(value)}" for name, value in facts.items() if value not in (None, [], ())]
    return say(args, facts, "\n".join(lines))


def _plain(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def _check(args: argparse.Namespace) -> int:
    with closing(app.open_gateway(args.config)) as gateway:
        with gateway.reading(operator(args)) as unit:
            app.accounts.require_brand(unit)
            found = app.integrations.get_by_name(unit, args.name)
        look = app.integrationcheck.check(gateway, args.brand, found.integration_id)
    say(args, _facts(look), "\n".join(_lines(look)))
    return 0 if look.is_well else 1


def _facts(look: Look) -> dict[str, object]:
    seen = look.members
    return {
        "name": look.name, "kind": look.kind, "reachable": look.reachable, "ok": look.is_well,
        "members": {
            "rows": seen.rows, "all": seen.whole, "rejected": seen.rejected, "repeated": seen.repeated,
            "withoutAddress": seen.no_address, "deleted": seen.ended, "doNotEmail": dict(seen.flags),
            "interests": dict(seen.interests.most_common(20)) if seen.tells_interests else None,
            "changes": seen.changes, "problems": dict(seen.problems),
            "samples": [{"remoteId": remote_id, "email": email} for remote_id, email in seen.samples]},
        "fields": {name: dict(look.told).get(name) for name in look.fields}, "fieldsAskedOf": look.asked,
        "groups": [{"groupId": each.group_id, "name": each.name, "size": each.size} for each in look.groups],
        "writebacks": {"kinds": list(look.kinds), "way": look.way,
                       "fields": None if look.written_fields is None else list(look.written_fields)},
        "findings": [{"key": each.key, "problem": each.is_problem, "text": each.text} for each in look.findings]}


def _lines(look: Look) -> list[str]:
    lines = [f"{look.name} ({look.kind}): it {'answers' if look.reachable else 'does not answer'}."]
    if look.reachable:
        lines += _member_lines(look.members)
        if look.fields:
            told = dict(look.told)
            lines.append(f"It can tell, of {look.asked} people asked for: "
                         + ", ".join(f"{name} ({told.get(name, 0)})" for name in look.fields))
        lines += [f"Group {each.group_id}: {each.name}" + ("" if each.size is None else f" ({each.size})")
                  for each in look.groups]
    ways = {"bridge": "It is written", "webhook": "It is posted", "pull": "It fetches"}
    if look.kinds:
        of = "" if look.written_fields is None else f" (fields: {', '.join(look.written_fields)})"
        lines.append(f"{ways[look.way]}: {', '.join(look.kinds)}{of}.")
    lines += [f"{'PROBLEM' if each.is_problem else 'note'} {each.key}: {each.text}" for each in look.findings]
    return lines


def _member_lines(seen: MembersSeen) -> list[str]:
    which = f"all {seen.rows} rows" if seen.whole else f"the first {seen.rows} rows"
    lines = [f"Members, {which}: {seen.rows - seen.rejected} would be read, {seen.rejected} rejected; "
             f"{seen.no_address} without address, {seen.ended} deleted."]
    lines += [f"  {remote_id} {email}" for remote_id, email in seen.samples]
    if seen.flags:
        lines.append("  do_not_email: " + ", ".join(f"{word} {seen.flags[word]}" for word in ("yes", "no", "unsaid")))
    if seen.tells_interests:
        named = ", ".join(f"{name} ({count})" for name, count in seen.interests.most_common(20))
        lines.append(f"  interests: {named or 'nobody has any'}")
    says = {True: "yes", False: "no, everybody is read each time", None: "it shows with the first sync"}
    return [*lines, f"  changes only: {says[seen.changes]}"]
