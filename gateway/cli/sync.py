"""How does an operator sync an integration, say when it is synced, and see how that went?"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import asdict

from gateway import app
from gateway.cli.common import Commands, operator, positive, say
from gateway.clock import instant
from gateway.domain import schedule
from gateway.domain.sync import STATES, Sample, SyncRunView

CHOICES = {
    "--schedule": (schedule.SCHEDULE, "CRON"), "--time-zone": (schedule.TIME_ZONE, "ZONE"),
    "--brake-share": (schedule.BRAKE_SHARE, "SHARE"), "--brake-rows": (schedule.BRAKE_ROWS, "ROWS"),
    "--full-every-days": (schedule.FULL_EVERY_DAYS, "DAYS"), "--before-mailing": (schedule.BEFORE_MAILING, "YES"),
    "--go-on-hours": (schedule.GO_ON_HOURS, "HOURS"),
}
"""Options of ``gateway integration set`` that are about syncs: the choice of each, and what stands for its value."""

MEANINGS = {
    schedule.SCHEDULE: "when it is synced by itself", schedule.TIME_ZONE: "the time zone of its schedule",
    schedule.BRAKE_SHARE: "the share of its links that one run may change",
    schedule.BRAKE_ROWS: "how many one run may change, whatever the share",
    schedule.FULL_EVERY_DAYS: "how often everybody is read, not only what changed",
    schedule.BEFORE_MAILING: "sync it before a mailing to its interests",
    schedule.GO_ON_HOURS: "mail although that sync failed, if the last complete one is younger",
}


def declare(commands: Commands) -> None:
    """Declares ``gateway sync`` and ``gateway sync-runs``."""
    made = commands.add("sync", _sync, "Sync an integration now.", branded=True)
    made.add_argument("--integration", required=True, metavar="NAME")
    made.add_argument("--preview", action="store_true", help="print the counts and change nothing")
    made.add_argument("--full", action="store_true", help="read everything, not only what changed")
    made.add_argument("--release", action="store_true", help="apply a mass change that the brake would hold")
    made = commands.add("sync-runs", _runs, "List the last syncs, newest first, or show one.", branded=True)
    made.add_argument("--integration", metavar="NAME")
    made.add_argument("--state", choices=STATES)
    made.add_argument("--run", type=positive, metavar="ID", help="show this one, with whom it names")
    made.add_argument("--limit", type=positive, default=20, metavar="N", help="so many at most; default 20")


def declare_choices(parser: argparse.ArgumentParser) -> None:
    """Declares the options of ``gateway integration set`` that are about syncs."""
    for option, (name, stands_for) in CHOICES.items():
        parser.add_argument(option, dest=name, metavar=stands_for,
                            help=f"{MEANINGS[name]}: {schedule.TAKES[name]}".replace("%", "%%"))


def chosen(args: argparse.Namespace) -> dict[str, str]:
    """The choices that were given, by name."""
    given = {name: getattr(args, name) for name, _ in CHOICES.values()}
    return {name: value for name, value in given.items() if value is not None}


def _sync(args: argparse.Namespace) -> int:
    with closing(app.open_gateway(args.config)) as gateway:
        with gateway.reading(operator(args)) as unit:
            app.accounts.require_brand(unit)
            found = app.integrations.get_by_name(unit, args.integration)
        report = app.sync.run(gateway, args.brand, found.integration_id, preview=args.preview, full=args.full,
                              release=args.release, by="operator")
    facts = {"integration": report.integration, "state": report.state, "preview": report.preview, **report.counters}
    if report.message:
        facts["message"] = report.message
    lines = [f"{name}: {value}" for name, value in facts.items()] + _named(report.samples)
    say(args, facts | {"samples": _told(report.samples)}, "\n".join(lines))
    return 0 if report.state in ("success", "skipped") else 1


def _runs(args: argparse.Namespace) -> int:
    with closing(app.open_gateway(args.config)) as gateway, gateway.reading(operator(args)) as unit:
        app.accounts.require_brand(unit)
        if args.run is not None:
            runs = [app.syncruns.get(unit, args.run)]
        else:
            runs = app.syncruns.last(unit, args.limit, integration=args.integration, state=args.state)
    lines, facts = [], []
    for run in runs:
        facts.append(_facts(run))
        counts = ", ".join(f"{name} {count}" for name, count in run.counters.items() if count)
        lines.append(f"{run.run_id}  {run.started_at:%Y-%m-%d %H:%M}  {run.integration}  {run.state}"
                     f"  {run.trigger or '-'}  {'full' if run.full else 'changes'}  {counts}".rstrip())
        lines += [f"  {run.message}"] if run.message else []
        lines += _named(run.samples) if args.run is not None else []
    return say(args, {"runs": facts}, "\n".join(lines) or "No sync has run.")


def _facts(run: SyncRunView) -> dict[str, object]:
    """By the names of PUSH."""
    return {"runId": str(run.run_id), "integration": run.integration, "state": run.state, "trigger": run.trigger,
            "full": run.full, "requestedBy": run.requested_by, "releasedBy": run.released_by,
            "instanceId": None if run.instance_id is None else str(run.instance_id),
            "startedAt": instant(run.started_at),
            "finishedAt": None if run.finished_at is None else instant(run.finished_at), "message": run.message,
            "counts": dict(run.counters),
            "samples": {name: [{"remoteId": each.remote_id, "email": each.email, "detail": each.detail}
                               for each in kept] for name, kept in run.samples.items()}}


def _told(samples: Mapping[str, Sequence[Sample]]) -> dict[str, list[dict[str, object]]]:
    return {name: [asdict(sample) for sample in kept] for name, kept in samples.items()}


def _named(samples: Mapping[str, Sequence[Sample]]) -> list[str]:
    return [f"  {name}: {s.remote_id or '-'} {s.email or '-'} {s.detail}".rstrip()
            for name, kept in samples.items() for s in kept]
