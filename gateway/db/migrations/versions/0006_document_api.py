"""The document API: account numbers, stories, templates, folders, accounting codes, test publishings; diagnosis."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.add_column("brand", sa.Column("external_id", sa.Integer()))
    op.add_column("integration", sa.Column("pulls", sa.String(255)))
    op.create_index("uq_brand_external_id", "brand", ["external_id"], unique=True)
    op.add_column("field", sa.Column("default_value", sa.Text()))
    op.add_column("field", sa.Column("category", sa.String(255)))
    for column in (sa.Column("changed_by", sa.String(255)), sa.Column("accounting_code", sa.String(50)),
                   sa.Column("schedule_choice", sa.Integer()), sa.Column("template_id", BIG)):
        op.add_column("mailing", column)
    op.add_column("mailing_instance", sa.Column("is_test", sa.Boolean(), nullable=False,
                                                server_default=sa.text("false")))
    op.add_column("event", sa.Column("client_name", sa.String(100)))
    op.add_column("event", sa.Column("client_type", sa.String(20)))
    _event_indexes()
    with op.batch_alter_table("refusal") as table:  # the document API's codes are longer
        table.alter_column("code", existing_type=sa.String(40), type_=sa.String(60), existing_nullable=False)
    _stories()
    _named("mailing_template", sa.Column("html", sa.Text(), nullable=False),
           sa.Column("created_at", INSTANT, nullable=False))
    _named("mailing_folder")
    op.execute("INSERT INTO mailing_folder (brand_id, name) SELECT DISTINCT brand_id, folder FROM mailing "
               "WHERE folder <> ''")
    _accounting_codes()
    _instance_interests()
    _failed_envelopes()


def _event_indexes() -> None:
    """The orders of the grids of hits and bounces."""
    _partial("ix_event_grid_hits", "'opened', 'clicked'", "brand_id", "type", "automated", "instance_id", "address",
             "occurred_at", "id")
    _partial("ix_event_grid_returns", "'bounced', 'complained'", "brand_id", "instance_id", "id")


def _partial(name: str, types: str, *columns: str) -> None:
    where = sa.text(f"type IN ({types})")
    op.create_index(name, "event", list(columns), sqlite_where=where, postgresql_where=where)


def _id_and_brand() -> list[sa.Column]:
    return [sa.Column("id", BIG, primary_key=True, autoincrement=True), sa.Column("brand_id", BIG, nullable=False)]


def _of_brand(table: str) -> list[sa.Constraint]:
    return [sa.PrimaryKeyConstraint("id", name=op.f(f"pk_{table}")),
            sa.ForeignKeyConstraint(["brand_id"], ["brand.id"], name=op.f(f"fk_{table}_brand_id"))]


def _stories() -> None:
    op.create_table(
        "mailing_story", *_id_and_brand(),
        sa.Column("mailing_id", BIG, nullable=False), sa.Column("story_id", sa.String(50)),
        sa.Column("position", sa.Integer(), nullable=False), sa.Column("title", sa.Text(), nullable=False),
        sa.Column("html", sa.Text(), nullable=False), sa.Column("text", sa.Text()), sa.Column("area", sa.String(255)),
        *_of_brand("mailing_story"),
        sa.ForeignKeyConstraint(["mailing_id"], ["mailing.id"], name=op.f("fk_mailing_story_mailing_id")),
        sqlite_autoincrement=True)
    op.create_index(op.f("ix_mailing_story_mailing_id"), "mailing_story", ["mailing_id"])


def _named(table: str, *columns: sa.Column) -> None:
    op.create_table(
        table, *_id_and_brand(), sa.Column("name", sa.String(255), nullable=False), *columns, *_of_brand(table),
        sa.UniqueConstraint("brand_id", "name", name=op.f(f"uq_{table}_brand_id_name")), sqlite_autoincrement=True)


def _accounting_codes() -> None:
    op.create_table(
        "accounting_code", *_id_and_brand(),
        sa.Column("code", sa.String(50), nullable=False), sa.Column("description", sa.String(200)),
        sa.Column("is_default", sa.Boolean(), nullable=False, server_default=sa.text("false")),
        *_of_brand("accounting_code"),
        sa.UniqueConstraint("brand_id", "code", name=op.f("uq_accounting_code_brand_id_code")),
        sqlite_autoincrement=True)


def _instance_interests() -> None:
    table = "instance_interest"
    op.create_table(
        table, sa.Column("brand_id", BIG, nullable=False), sa.Column("instance_id", BIG, nullable=False),
        sa.Column("interest_id", BIG, nullable=False),
        sa.PrimaryKeyConstraint("instance_id", "interest_id", name=op.f(f"pk_{table}")),
        sa.ForeignKeyConstraint(["brand_id"], ["brand.id"], name=op.f(f"fk_{table}_brand_id")),
        sa.ForeignKeyConstraint(["instance_id"], ["mailing_instance.id"], name=op.f(f"fk_{table}_instance_id")),
        sa.ForeignKeyConstraint(["interest_id"], ["interest.id"], name=op.f(f"fk_{table}_interest_id")))
    op.create_index(op.f(f"ix_{table}_interest_id"), table, ["interest_id"])


def _failed_envelopes() -> None:
    op.create_table(
        "failed_envelope", *_id_and_brand(),
        sa.Column("recorded_at", INSTANT, nullable=False), sa.Column("door", sa.String(10), nullable=False),
        sa.Column("operation", sa.String(255)), sa.Column("code", sa.String(60), nullable=False),
        sa.Column("message", sa.Text(), nullable=False), sa.Column("line", sa.Integer()),
        sa.Column("request_id", sa.String(64)), sa.Column("envelope", sa.Text(), nullable=False),
        sa.Column("understood", sa.JSON().with_variant(JSONB(), "postgresql"), nullable=False),
        *_of_brand("failed_envelope"), sqlite_autoincrement=True)
    op.create_index("ix_failed_envelope_brand", "failed_envelope", ["brand_id", "id"])
