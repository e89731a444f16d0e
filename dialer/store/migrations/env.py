"""Alembic's entry: runs migrations on the connection that `schema.upgrade` gives."""

from alembic import context

from dialer.store.worker_tables import EVERY

context.configure(connection=context.config.attributes["connection"], target_metadata=EVERY, render_as_batch=True)
with context.begin_transaction():
    context.run_migrations()
