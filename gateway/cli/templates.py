"""How does an operator see a brand's templates and add one? gateway template add, list, show."""

from __future__ import annotations

import argparse
from contextlib import closing
from pathlib import Path
from typing import Any

from gateway import app
from gateway.cli.common import Commands, operator, positive, say
from gateway.clock import instant
from gateway.domain.stories import Template, areas


def declare(commands: Commands) -> None:
    """Declares ``gateway template``."""
    group = commands.group("template", "What stands around the stories of mailings.")
    made = group.add("add", _add, "Add a template: HTML with {{ content }} or {{ content:NAME }} in it.", branded=True)
    made.add_argument("--name", required=True)
    made.add_argument("file", type=Path, metavar="FILE", help="an HTML file in UTF-8")
    group.add("list", _list, "Show the brand's templates.", branded=True)
    made = group.add("show", _show, "Show the HTML of a template.", branded=True)
    made.add_argument("--template", type=positive, required=True, metavar="ID", help="the template's id")


def _add(args: argparse.Namespace) -> int:
    html = args.file.read_text("utf-8-sig")
    with closing(app.open_gateway(args.config)) as gateway, gateway.unit(operator(args)) as unit:
        template = app.templates.add(unit, args.name, html)
    return say(args, _facts(template), f"Template {template.template_id} added: {_sentence(template)}.")


def _list(args: argparse.Namespace) -> int:
    with closing(app.open_gateway(args.config)) as gateway, gateway.reading(operator(args)) as unit:
        found = app.templates.find(unit)
    return say(args, {"templates": [_facts(each) for each in found]},
               "\n".join(f"{each.template_id:>6}  {_sentence(each)}" for each in found) or "No templates.")


def _show(args: argparse.Namespace) -> int:
    with closing(app.open_gateway(args.config)) as gateway, gateway.reading(operator(args)) as unit:
        template = app.templates.get(unit, args.template)
    return say(args, _facts(template) | {"html": template.html}, template.html)


def _facts(template: Template) -> dict[str, Any]:
    return {"templateId": template.template_id, "name": template.name, "createdAt": instant(template.created_at),
            "areas": [area for area in areas(template.html) if area]}


def _sentence(template: Template) -> str:
    return f"{template.name} ({', '.join(area or 'content' for area in areas(template.html))})"
