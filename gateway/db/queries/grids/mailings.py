"""What do the grids of mailings, their instances and what they are made of show? (aapi.md section 7.3)"""

from __future__ import annotations

import sqlalchemy as sa

from gateway.db.models.accounts import user
from gateway.db.models.mailings import (
    accounting_code,
    instance,
    instance_interest,
    mailing,
    mailing_folder,
    mailing_interest,
    mailing_story,
    mailing_template,
)
from gateway.db.queries.grids.base import BRAND, Dialect, Expression, Grid, Join, bit, null, number, words
from gateway.domain.mailing import CANCELLED, SENT

FOLDER = Join(mailing_folder, sa.and_(mailing_folder.c.brand_id == BRAND, mailing_folder.c.name == mailing.c.folder),
              optional=True)
"""A folder has a row of its own once it is filed in through the document API."""

TEMPLATE = Join(mailing_template, mailing_template.c.id == mailing.c.template_id, optional=True)
CONTENT = "{{ content"


def target_group_id(instance_id: Expression, mailing_id: Expression) -> Expression:
    """The first interest that the publishing goes to: its own choice, else that of its mailing."""
    own, usual = instance_interest.alias("own").c, mailing_interest.alias("usual").c
    of_instance = (sa.select(sa.func.min(own.interest_id)).where(own.instance_id == instance_id)
                   .correlate_except(own.interest_id.table).scalar_subquery())
    of_mailing = (sa.select(sa.func.min(usual.interest_id)).where(usual.mailing_id == mailing_id, ~usual.exclude)
                  .correlate_except(usual.interest_id.table).scalar_subquery())
    return sa.func.coalesce(of_instance, of_mailing, type_=sa.BigInteger)


def _newest(*, sent: bool) -> Expression:
    """When the mailing is, or was, published last; ``sent``: of those that have begun."""
    p = instance.alias("published").c
    found = sa.select(sa.func.max(p.send_at)).where(p.mailing_id == mailing.c.id)
    if sent:
        found = found.where(p.frozen_at.is_not(None))
    return found.correlate_except(p.id.table).scalar_subquery()


def _mailing() -> Grid:
    m = mailing.c
    changed_by = sa.func.coalesce(m.changed_by, m.created_by, type_=sa.Text)
    name = sa.case((changed_by.startswith("user:"), sa.func.substr(changed_by, 6, type_=sa.Text)), else_=changed_by)
    user_id = (sa.select(user.c.id).where(user.c.brand_id == BRAND, "user:" + user.c.name == changed_by)
               .correlate_except(user).scalar_subquery())
    return Grid(mailing, (m.brand_id == BRAND,), (m.id,), {
        "accounting_code": m.accounting_code, "create_date": m.created_at, "folder_id": mailing_folder.c.id,
        "folder_name": m.folder, "friendly_from": m.from_name, "from_address": m.from_address,
        "Is_deleted": number(0), "last_sent_date": _newest(sent=True), "MAILING_ID": m.id,
        "modify_email": name, "modify_user_id": user_id, "Name": m.name, "reply_to": m.reply_to,
        "schedule_choice": sa.cast(m.schedule_choice, sa.Text), "send_at_date": _newest(sent=False),
        "Subject": m.subject, "template_id": m.template_id, "template_name": mailing_template.c.name},
        (FOLDER, TEMPLATE))


def _instance() -> Grid:
    i, again = instance.c, instance.alias("again").c
    resent = (sa.select(sa.func.max(again.send_at))
              .where(again.mailing_id == i.mailing_id, again.id > i.id, again.audience.is_not(None),
                     again.frozen_at.is_not(None)).correlate_except(again.id.table).scalar_subquery())
    return Grid(instance, (i.brand_id == BRAND,), (i.id,), {
        "mailing_id": i.mailing_id, "mailing_instance_id": i.id, "mailing_date": i.send_at,
        "mailing_subject": mailing.c.subject, "is_test": bit(i.is_test), "last_resend_date": resent,
        "target_group_id": target_group_id(i.id, i.mailing_id)}, (Join(mailing, mailing.c.id == i.mailing_id),))


def _scheduled() -> Grid:
    i = instance.c
    return Grid(instance, (i.brand_id == BRAND, i.frozen_at.is_(None), i.state.not_in((CANCELLED, SENT))), (i.id,), {
        "mailing_id": i.mailing_id, "mailing_scheduled_date": i.send_at, "mailing_name": mailing.c.name,
        "mailing_type": words("One-time"), "ab": number(0), "sent_to_winner": number(0),
        "send_time_optimization": number(0), "distributed": number(0)}, (Join(mailing, mailing.c.id == i.mailing_id),))


def _story() -> Grid:
    t = mailing_story.c
    return Grid(mailing_story, (t.brand_id == BRAND,), (t.id,), {
        "html_content": t.html, "is_deleted": number(0), "story_id": t.id, "mailing_id": t.mailing_id,
        "Rank": t.position, "target_group_id": null(), "text_content": t.text, "Title": t.title})


def _folder() -> Grid:
    f = mailing_folder.c
    return Grid(mailing_folder, (f.brand_id == BRAND,), (f.id,), {
        "folder_id": f.id, "Name": f.name, "is_deleted": number(0)})


def _template(dialect: Dialect) -> Grid:
    t = mailing_template.c
    body, head = dialect.between(t.html, "<body", ">"), dialect.between(t.html, "<head>", "</head>")
    return Grid(mailing_template, (t.brand_id == BRAND,), (t.id,), {
        "Name": t.name, "template_ID": t.id, "body_tag_paramaters": body,
        "Bottom": dialect.after(t.html, CONTENT, "}}"),
        "head_tags": head, "news_format_id": words("HTML"), "use_powered_by_informz": number(0),
        "use_standard_footer": number(1), "Top": dialect.before(t.html, CONTENT)})


def _accounting_code() -> Grid:
    a = accounting_code.c
    return Grid(accounting_code, (a.brand_id == BRAND,), (a.id,), {
        "code": a.code, "Description": a.description, "is_accounting_default": bit(a.is_default),
        "accounting_code_id": a.id, "is_deleted": number(0)})


def build(dialect: Dialect) -> dict[str, Grid]:
    """The grids of this family by token."""
    return {
        "mailing": _mailing(), "mailing_instance": _instance(), "scheduled_mailings": _scheduled(), "story": _story(),
        "mailing_folder": _folder(), "mailing_template": _template(dialect), "accounting_code": _accounting_code(),
    }
