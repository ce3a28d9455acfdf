"""What Alembic runs: the revisions, on the connection and in the transaction it was handed."""

from __future__ import annotations

from alembic import context

from storage.database import VERSION_TABLE
from storage.schema import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    version_table=VERSION_TABLE,
    transactional_ddl=True,
    render_as_batch=True,
)
context.run_migrations()
