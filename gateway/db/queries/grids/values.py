"""What do the grids of personalization fields and their values show? (aapi.md section 7.3)

A value has no row of its own: it stands in the document of a source. Of several sources the one that counts is shown
(ID-36), under an id that is made of the subscriber's and of the field's place among the brand's: so it fits 32 bits up
to two million subscribers.
"""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

from gateway.db.models.subscribers import field, source_values, subscriber
from gateway.db.queries.grids.base import BRAND, RANKS, Dialect, Expression, Grid, Join, bit, null, number, remote_id
from gateway.db.queries.grids.people import CANCEL_TEXTS, FACTS, LIVE, cancel_code, code_text
from gateway.domain.values import MAX_FIELDS

TEXT, NUMBER, DATE, PHONE = 1, 2, 3, 4


def _places() -> sa.Subquery:
    """Each field of the brand and how many were made before it: fewer than MAX_FIELDS, and none is ever removed."""
    f = field.alias("numbered").c
    return (sa.select(f.id, (sa.func.row_number().over(order_by=f.id) - 1).label("place")).where(f.brand_id == BRAND)
            .subquery("field_place"))


PLACES = _places()


def _value_id(subscriber_id: Expression) -> Expression:
    return sa.cast(subscriber_id, sa.BigInteger) * MAX_FIELDS + PLACES.c.place


def _definition() -> dict[str, Expression]:
    f = field.c
    date = f.kind == "date"
    return {
        "length_in_characters": f.max_length, "default_value": f.default_value, "is_deleted": number(0),
        "Description": null(sa.Text), "end_year": null(sa.Text), "start_year": null(sa.Text), "is_date": bit(date),
        "personal_information_id": f.id, "is_hidden": number(0), "is_mobile_phone": number(0),
        "is_numeric": bit(f.kind == "number"), "is_phone": bit(f.kind == "phone"), "minimum_length": number(0),
        "Name": f.name, "is_proper_case": number(0), "is_required": number(0),
        "personal_information_type_id": sa.case((date, DATE), (f.kind == "number", NUMBER), (f.kind == "phone", PHONE),
                                                else_=TEXT)}


def _definitions() -> Grid:
    return Grid(field, (field.c.brand_id == BRAND,), (field.c.id,), _definition())


def _path(name: Expression) -> Expression:
    """Where SQLite finds the member of this name."""
    return sa.literal_column("'$.\"'", sa.Text).concat(name).concat('"')


def _given(dialect: Dialect) -> sa.Subquery:
    """(subscriber, name, text) of the values that count."""
    v = source_values.c
    if dialect.postgres:
        each = sa.func.jsonb_each_text(sa.cast(v.document, JSONB)).table_valued("key", "value", name="each_value")
        spoken = sa.cast(v.changed, JSONB).op("->>")(each.c.key)
        usual = sa.func.to_char(sa.func.timezone("UTC", v.changed_at),
                                sa.literal_column("'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"'"), type_=sa.Text)
        rank = sa.cast(sa.cast(RANKS, JSONB).op("->>")(sa.cast(v.source_id, sa.Text)), sa.Integer)
    else:
        each = sa.func.json_each(v.document).table_valued("key", "value", name="each_value")
        spoken = sa.func.json_extract(v.changed, _path(each.c.key))
        usual = sa.func.strftime(sa.literal_column("'%Y-%m-%dT%H:%M:%fZ'"), v.changed_at)
        rank = sa.func.json_extract(RANKS, _path(sa.cast(v.source_id, sa.Text)))
    at = sa.func.coalesce(spoken, usual, type_=sa.Text)
    place = sa.func.row_number().over(partition_by=(v.subscriber_id, each.c.key),
                                      order_by=(rank, at.desc(), v.source_id.desc()))
    ranked = (sa.select(v.subscriber_id, each.c.key.label("name"), each.c.value.label("text"), place.label("place"))
              .select_from(source_values.join(each, sa.true())).where(v.brand_id == BRAND).subquery("ranked"))
    return (sa.select(ranked.c.subscriber_id, ranked.c.name, sa.cast(ranked.c.text, sa.Text).label("text"))
            .where(ranked.c.place == 1).subquery("given"))


def _joins(given: sa.Subquery) -> tuple[Join, ...]:
    return (Join(field, sa.and_(field.c.brand_id == BRAND, field.c.name == given.c.name)),
            Join(PLACES, PLACES.c.id == field.c.id), Join(subscriber, subscriber.c.id == given.c.subscriber_id), FACTS)


def _values(given: sa.Subquery) -> Grid:
    f, s, g = field.c, subscriber.c, given.c
    return Grid(given, (LIVE, f.brand_id == BRAND, f.category.is_(None)), (g.subscriber_id, f.id), {
        **_definition(), "Email": s.email, "Subscriber_personal_information_ID": _value_id(g.subscriber_id),
        "subscriber_id": g.subscriber_id, "Cancellation_type_id": cancel_code(),
        "Cancellation_type_description": code_text(cancel_code(), CANCEL_TEXTS), "Personal_Information_Name": f.name,
        "Personal_Information_Value": g.text, "user_id": remote_id(g.subscriber_id)}, _joins(given), wide=False,
        person=g.subscriber_id)


def _demographics(given: sa.Subquery) -> Grid:
    f, s, g = field.c, subscriber.c, given.c
    other = field.alias("of_category").c
    category_id = (sa.select(sa.func.min(other.id)).where(other.brand_id == BRAND, other.category == f.category)
                   .correlate_except(other.id.table).scalar_subquery())
    return Grid(given, (LIVE, f.brand_id == BRAND, f.category.is_not(None)), (g.subscriber_id, f.id), {
        "subscriber_id": g.subscriber_id, "subscriber_demographics_id": _value_id(g.subscriber_id),
        "demographic_id": f.id, "demographic_name": g.text, "demographic_category_id": category_id,
        "demographic_category_name": f.category, "Email": s.email, "user_id": remote_id(g.subscriber_id)},
        _joins(given), wide=False, person=g.subscriber_id)


def build(dialect: Dialect) -> dict[str, Grid]:
    """The grids of this family by token."""
    given = _given(dialect)
    return {"personal_information": _definitions(), "subscriber_personal_information": _values(given),
            "subscriber_demographics": _demographics(given)}
