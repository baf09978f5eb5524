"""Of which stories was a mailing made, and which templates does a brand have?"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from gateway.db.models.mailings import mailing_story, mailing_template
from gateway.domain.stories import Story, Template


def add(connection: Connection, brand_id: int, mailing_id: int, stories: Sequence[Story]) -> None:
    """Stores the stories of a mailing that has none, in this order."""
    connection.execute(sa.insert(mailing_story), [
        {"brand_id": brand_id, "mailing_id": mailing_id, "position": position, "story_id": story.story_id,
         "title": story.title, "html": story.html, "text": story.text, "area": story.area}
        for position, story in enumerate(stories)])


def of_mailing(connection: Connection, brand_id: int, mailing_id: int) -> list[Story]:
    """The stories of a mailing in their order; empty for one that is made of none."""
    t = mailing_story.c
    rows = connection.execute(sa.select(mailing_story).where(t.brand_id == brand_id, t.mailing_id == mailing_id)
                              .order_by(t.position))
    return [Story(row.title, row.html, row.text, row.story_id, row.area) for row in rows]


def forget(connection: Connection, brand_id: int, mailing_id: int) -> None:
    """Takes the stories away from a mailing whose content is another now."""
    t = mailing_story.c
    connection.execute(sa.delete(mailing_story).where(t.brand_id == brand_id, t.mailing_id == mailing_id))


def add_template(connection: Connection, brand_id: int, name: str, html: str, now: dt.datetime) -> int:
    """Stores a template of a name that is free, and answers its id."""
    return connection.execute(sa.insert(mailing_template).values(
        brand_id=brand_id, name=name, html=html, created_at=now).returning(mailing_template.c.id)).scalar_one()


def templates(connection: Connection, brand_id: int) -> list[Template]:
    """The brand's templates in order of their ids."""
    t = mailing_template.c
    rows = connection.execute(sa.select(mailing_template).where(t.brand_id == brand_id).order_by(t.id))
    return [_template(row) for row in rows]


def template(connection: Connection, brand_id: int, *, template_id: int | None = None,
             name: str | None = None) -> Template | None:
    """The template of this id, or of this name, or None."""
    t = mailing_template.c
    asked = t.name == name if template_id is None else t.id == template_id
    row = connection.execute(sa.select(mailing_template).where(t.brand_id == brand_id, asked)).first()
    return None if row is None else _template(row)


def _template(row: sa.Row) -> Template:
    return Template(row.id, row.name, row.html, row.created_at)
