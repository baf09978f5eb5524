"""One-to-Many mains, merges that can be undone, erasures, group memberships with dates, saved mappings, refusals, and
the fields of the compatible face in the brands that are there."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True)
BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")


def _partial(condition: str) -> dict[str, object]:
    return {"sqlite_where": sa.text(condition), "postgresql_where": sa.text(condition)}


def upgrade() -> None:
    _extend()
    _add_imports()
    _add_identity()
    _add_fields()


def _extend() -> None:
    op.add_column("integration", sa.Column("identity", sa.String(20), nullable=False, server_default="standard"))
    op.add_column("subscriber", sa.Column("is_main", sa.Boolean(), nullable=False, server_default=sa.text("false")))
    op.add_column("subscriber", sa.Column("erased_at", INSTANT))
    op.create_index("uq_subscriber_main_email", "subscriber", ["brand_id", "email"], unique=True,
                    **_partial("merged_into IS NULL AND is_main AND email IS NOT NULL"))
    op.add_column("interest", sa.Column("external_id", sa.String(255)))
    op.create_index("uq_interest_external", "interest", ["integration_id", "external_id"], unique=True,
                    **_partial("external_id IS NOT NULL"))
    op.add_column("membership", sa.Column("begins_at", INSTANT))
    op.add_column("membership", sa.Column("ends_at", INSTANT))
    op.add_column("membership", sa.Column("detail", sa.Text()))
    op.create_index("ix_membership_since", "membership", ["brand_id", "since", "id"])
    op.create_index("ix_membership_until", "membership", ["brand_id", "until", "id"], **_partial("until IS NOT NULL"))
    op.add_column("upload", sa.Column("notified_at", INSTANT))
    op.add_column("upload", sa.Column("rejects_name", sa.String(100)))
    op.create_index("ix_upload_untold", "upload", ["id"], **_partial("notified_at IS NULL AND sha256 IS NOT NULL"))


def _add_imports() -> None:
    for name in ("email", "remote_id"):  # what was refused for want of a person is found by what it named (ID-79)
        op.create_index(f"ix_decision_nobody_{name}", "decision", ["brand_id", name],
                        **_partial("subscriber_id IS NULL"))
    op.create_index("ix_decision_failed", "decision", ["brand_id", "recorded_at", "id"],
                    **_partial("status = 'failed'"))
    op.create_table(
        "refusal",
        sa.Column("id", BIG, autoincrement=True, nullable=False),
        sa.Column("brand_id", BIG, nullable=False),
        sa.Column("recorded_at", INSTANT, nullable=False),
        sa.Column("actor", sa.String(255), nullable=False),
        sa.Column("door", sa.String(10), nullable=False),
        sa.Column("operation", sa.String(255), nullable=False),
        sa.Column("code", sa.String(40), nullable=False),
        sa.Column("field", sa.String(255)),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("request_id", sa.String(64)),
        sa.Column("remote_id", sa.String(255)),
        sa.Column("email", sa.String(320)),
        sa.ForeignKeyConstraint(["brand_id"], ["brand.id"], name=op.f("fk_refusal_brand_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_refusal")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_refusal_recorded", "refusal", ["brand_id", "recorded_at", "id"])
    op.create_table(
        "column_mapping",
        sa.Column("id", BIG, autoincrement=True, nullable=False),
        sa.Column("brand_id", BIG, nullable=False),
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("columns", JSON, nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.ForeignKeyConstraint(["brand_id"], ["brand.id"], name=op.f("fk_column_mapping_brand_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_column_mapping")),
        sa.UniqueConstraint("brand_id", "name", name=op.f("uq_column_mapping_brand_id_name")),
        sqlite_autoincrement=True,
    )


def _add_identity() -> None:
    op.create_table(
        "suppression",
        sa.Column("brand_id", BIG, nullable=False),
        sa.Column("kind", sa.String(10), nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
        sa.Column("erased_at", INSTANT, nullable=False),
        sa.ForeignKeyConstraint(["brand_id"], ["brand.id"], name=op.f("fk_suppression_brand_id")),
        sa.PrimaryKeyConstraint("brand_id", "kind", "hash", name=op.f("pk_suppression")),
    )
    op.create_table(
        "subscriber_merge",
        sa.Column("id", BIG, autoincrement=True, nullable=False),
        sa.Column("brand_id", BIG, nullable=False),
        sa.Column("loser_id", BIG, nullable=False),
        sa.Column("survivor_id", BIG, nullable=False),
        sa.Column("rule", sa.String(10), nullable=False),
        sa.Column("upload_id", BIG),
        sa.Column("merged_at", INSTANT, nullable=False),
        sa.Column("undone_at", INSTANT),
        sa.Column("before", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["brand_id"], ["brand.id"], name=op.f("fk_subscriber_merge_brand_id")),
        sa.ForeignKeyConstraint(["loser_id"], ["subscriber.id"], name=op.f("fk_subscriber_merge_loser_id")),
        sa.ForeignKeyConstraint(["survivor_id"], ["subscriber.id"], name=op.f("fk_subscriber_merge_survivor_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_subscriber_merge")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_subscriber_merge_loser_id"), "subscriber_merge", ["loser_id"])
    op.create_index(op.f("ix_subscriber_merge_survivor_id"), "subscriber_merge", ["survivor_id"])
    op.create_table(
        "identity_switch",
        sa.Column("id", BIG, autoincrement=True, nullable=False),
        sa.Column("brand_id", BIG, nullable=False),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("fingerprint", sa.String(64), nullable=False),
        sa.Column("counters", JSON, nullable=False),
        sa.Column("checkpoint", sa.String(254)),
        sa.Column("actor", sa.String(255), nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("finished_at", INSTANT),
        sa.ForeignKeyConstraint(["brand_id"], ["brand.id"], name=op.f("fk_identity_switch_brand_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_identity_switch")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_identity_switch_brand", "identity_switch", ["brand_id", "id"])


def _add_fields() -> None:
    """Brands of the first schema lack the fields that came with the compatible face (PUSH-26)."""
    new = sa.text(
        "INSERT INTO field (brand_id, name, folded, kind, max_length, created_at) "
        "SELECT b.id, :name, lower(:name), :kind, :max_length, b.created_at FROM brand b "
        "WHERE NOT EXISTS (SELECT 1 FROM field f WHERE f.brand_id = b.id AND f.folded = lower(:name))").bindparams(
            sa.bindparam("name", type_=sa.String()), sa.bindparam("kind", type_=sa.String()),
            sa.bindparam("max_length", type_=sa.Integer()))
    for kind, max_length, names in (("text", 4000, ["OtherEmailAddresses"]),
                                    ("boolean", 4000, ["IsBill", "DoNotPublish"]),
                                    ("json", 65536, ["Education", "JobHistory", "Orders"])):
        for name in names:
            op.get_bind().execute(new, {"name": name, "kind": kind, "max_length": max_length})
