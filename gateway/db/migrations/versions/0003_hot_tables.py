"""Tables that imports write by the million: no references that are proved row by row; values without a row number; no
index that nobody reads."""

import re

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

UNCHECKED = {
    "subscriber": ("brand_id", "source_id", "first_source_id"),
    "remote_key": ("brand_id", "integration_id", "subscriber_id"),
    "source_values": ("brand_id", "subscriber_id", "source_id"),
    "membership": ("brand_id", "subscriber_id", "interest_id", "source_id"),
    "decision": ("brand_id", "upload_id"),
}
_REFERENCE = re.compile(r",\s*CONSTRAINT \w+ FOREIGN KEY\s*\(\w+\) REFERENCES \w+ \(\w+\)")


def upgrade() -> None:
    op.drop_index("ix_decision_upload_row", "decision")
    failed = sa.text("status = 'failed'")
    op.create_index("ix_decision_failed_row", "decision", ["upload_id", "row_number"], sqlite_where=failed,
                    postgresql_where=failed)
    if op.get_bind().dialect.name == "sqlite":
        _rebuild_values()
        _forget_references()
        return
    for table, columns in UNCHECKED.items():
        for column in columns:
            op.drop_constraint(f"fk_{table}_{column}", table, type_="foreignkey")


def _rebuild_values() -> None:
    op.create_table(
        "source_values_new",
        sa.Column("brand_id", sa.Integer(), nullable=False),
        sa.Column("subscriber_id", sa.Integer(), nullable=False),
        sa.Column("source_id", sa.Integer(), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.Column("changed", sa.Text(), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("subscriber_id", "source_id", name="pk_source_values"),
        sqlite_with_rowid=False,
    )
    op.execute("INSERT INTO source_values_new (brand_id, subscriber_id, source_id, document, changed, changed_at) "
               "SELECT brand_id, subscriber_id, source_id, document, changed, changed_at FROM source_values "
               "ORDER BY subscriber_id, source_id")
    op.drop_table("source_values")
    op.rename_table("source_values_new", "source_values")


def _forget_references() -> None:
    """SQLite's own way to take constraints off a table whose rows stay as they are (lang_altertable, section 7)."""
    connection = op.get_bind()
    version = connection.exec_driver_sql("PRAGMA schema_version").scalar_one()
    connection.exec_driver_sql("PRAGMA writable_schema=ON")
    for table in UNCHECKED:
        made = connection.execute(sa.text("SELECT sql FROM sqlite_master WHERE type = 'table' AND name = :name"),
                                  {"name": table}).scalar_one()
        connection.execute(sa.text("UPDATE sqlite_master SET sql = :made WHERE type = 'table' AND name = :name"),
                           {"made": _REFERENCE.sub("", made), "name": table})
    connection.exec_driver_sql(f"PRAGMA schema_version={version + 1}")
    connection.exec_driver_sql("PRAGMA writable_schema=OFF")
