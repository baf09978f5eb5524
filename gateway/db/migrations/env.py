"""Alembic's entry point: runs on the connection that :mod:`gateway.db.migrate` hands over."""

from alembic import context

from gateway.db.models import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,
    transaction_per_migration=False,
)
with context.begin_transaction():
    context.run_migrations()
