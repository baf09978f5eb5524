"""How does an operator see a brand's fields, add one, and say how it is treated?"""

from __future__ import annotations

import argparse
from contextlib import closing
from dataclasses import asdict

from gateway import app
from gateway.cli.common import Commands, operator, say
from gateway.domain.preferences import ON_FORM
from gateway.domain.tiers import FieldChoices


def declare(commands: Commands) -> None:
    """Declares ``gateway field add``, ``gateway field set`` and ``gateway field list``."""
    group = commands.group("field", "What a brand knows of its people.")
    made = group.add("add", _add, "Add a field.", branded=True)
    made.add_argument("--name", required=True)
    made.add_argument("--kind", choices=app.catalogue.KINDS, default=app.catalogue.KINDS[0],
                      help="html: its values stand in mailings as they are")
    made = group.add("set", _set, "Say how a field is treated when a mailing shows it.", branded=True)
    made.add_argument("--name", required=True)
    made.add_argument("--cache-hours", metavar="N", help="keep values that were fetched from an AMS for so long; none: "
                                                         "do not keep them, and delete at once what was kept")
    made.add_argument("--required", choices=("yes", "no"), help="yes: who has no value is left out of the mailing")
    made.add_argument("--on-form", choices=(*ON_FORM, "none"),
                      help="on the preference form: shown or editable; whoever holds a message sees it there")
    group.add("list", _list, "Show the brand's fields.", branded=True)


def _add(args: argparse.Namespace) -> int:
    with closing(app.open_gateway(args.config)) as gateway, gateway.unit(operator(args)) as unit:
        field = app.catalogue.add(unit, args.name, args.kind)
    return say(args, asdict(field), f"Field {field.name} ({field.kind}) added.")


def _set(args: argparse.Namespace) -> int:
    hours = args.cache_hours
    required = None if args.required is None else args.required == "yes"
    with closing(app.open_gateway(args.config)) as gateway:
        with gateway.unit(operator(args)) as unit:
            field = app.catalogue.choose(unit, args.name, required=required,
                                         cache_hours=int(hours) if hours and hours.isdecimal() else hours)
            if args.on_form is not None:
                app.formfields.set_on_form(unit, args.name, None if args.on_form == "none" else args.on_form)
            on_form = app.formfields.find(unit).get(field.name)
        if field.cache_hours is None:
            app.catalogue.forget_log(gateway)
    return say(args, _shown(field, on_form), f"{_line(field, on_form)}.")


def _shown(field: FieldChoices, on_form: str | None) -> dict[str, object]:
    return {"name": field.name, "kind": field.kind, "max_length": field.max_length, "default": field.default or None,
            "cache_hours": field.cache_hours, "required": field.required, "on_form": on_form}


def _line(field: FieldChoices, on_form: str | None) -> str:
    kept = f", kept for {field.cache_hours} h" if field.cache_hours else ""
    required, form = ", required" if field.required else "", f", {on_form} on the form" if on_form else ""
    return f"{field.name} ({field.kind}{kept}{required}{form})"


def _list(args: argparse.Namespace) -> int:
    with closing(app.open_gateway(args.config)) as gateway, gateway.reading(operator(args)) as unit:
        found, on_form = app.catalogue.find(unit), app.formfields.find(unit)
    return say(args, {"fields": [_shown(field, on_form.get(field.name)) for field in found]},
               "\n".join(_line(field, on_form.get(field.name)) for field in found))
