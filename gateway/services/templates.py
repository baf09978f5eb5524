"""Which templates does a brand have for the stories of its mailings? (aapi.md section 5.5)"""

from __future__ import annotations

from gateway.db.queries import locks, stories
from gateway.db.unit import Unit
from gateway.domain.addresses import holds_forbidden
from gateway.domain.mailing import MAX_CHARS
from gateway.domain.stories import MAX_AREA, Story, Template, areas, placed, spelled
from gateway.errors import GatewayError
from gateway.mail import personalise
from gateway.services.accounts import require_brand

MAX_NAME, MAX_HTML = 255, MAX_CHARS["html"]


def add(unit: Unit, name: str, html: str) -> Template:
    """A new template; mailings take its HTML as it is when they are made. Its places are stored in one spelling.

    It has the place ``{{ content }}`` for stories, or ``{{ content:NAME }}`` for each content area, each once, and is
    else what the HTML of a mailing may be. Raises ``NOT_ALLOWED`` (administrators only), ``NOT_FOUND`` for the brand,
    ``INVALID_VALUE``, ``INVALID_CHARACTER``, ``FIELD_TOO_LONG``, ``ALREADY_EXISTS``.
    """
    unit.actor.require("admin")
    require_brand(unit)
    name = name.strip()
    if not 1 <= len(name) <= MAX_NAME or holds_forbidden(name):
        raise GatewayError("INVALID_VALUE", f"The name of a template has 1 to {MAX_NAME} printable characters.",
                           field="name")
    _check_html(html)
    html = spelled(html)
    locks.lock_brand(unit.connection, unit.brand_id)
    if stories.template(unit.connection, unit.brand_id, name=name) is not None:
        raise GatewayError("ALREADY_EXISTS", f"The brand has a template '{name}' already. Choose another name.",
                           field="name")
    return Template(stories.add_template(unit.connection, unit.brand_id, name, html, unit.now), name, html, unit.now)


def find(unit: Unit) -> list[Template]:
    """The brand's templates, the oldest first. Raises ``NOT_FOUND`` for no such brand."""
    require_brand(unit)
    return stories.templates(unit.connection, unit.brand_id)


def get(unit: Unit, template_id: int) -> Template:
    """One template of the brand. Raises ``NOT_FOUND``."""
    found = stories.template(unit.connection, unit.brand_id, template_id=template_id)
    if found is None:
        raise GatewayError("NOT_FOUND", f"There is no template {template_id} in this brand.", field="templateId")
    return found


def _check_html(html: str) -> None:
    if len(html) > MAX_HTML:
        raise GatewayError("FIELD_TOO_LONG", f"The template has {len(html)} characters; at most {MAX_HTML} are taken.",
                           field="html")
    if holds_forbidden(html):
        raise GatewayError("INVALID_CHARACTER", "The template holds a control character. Remove it.", field="html")
    places = areas(html)
    if not places:
        raise GatewayError("INVALID_VALUE", "The template says nowhere where stories go. Write {{ content }} there, or "
                                            "{{ content:NAME }} for each content area.", field="html")
    for area in places:
        if places.count(area) > 1:
            raise GatewayError("INVALID_VALUE", f"The place '{area or 'content'}' stands in the template more than "
                                                "once. Keep one of them.", field="html")
        if area is not None and len(area) > MAX_AREA:
            raise GatewayError("INVALID_VALUE", f"The name of a content area has at most {MAX_AREA} characters.",
                               field="html")
    personalise.merge_tags(placed(html, [Story("", "", area=area) for area in places]), "html")
