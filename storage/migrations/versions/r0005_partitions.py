"""On PostgreSQL, vectors in partitions; what was there becomes the first one."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from storage import inside, partitions

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

MAKE = """
CREATE TABLE embedding (
    observation_id BIGINT NOT NULL, model_id BIGINT NOT NULL, level BIGINT NOT NULL,
    vector BYTEA NOT NULL,
    CONSTRAINT pk_embedding PRIMARY KEY (observation_id, model_id),
    CONSTRAINT fk_embedding_observation_id FOREIGN KEY (observation_id)
        REFERENCES observation (id) ON DELETE CASCADE,
    CONSTRAINT fk_embedding_model_id FOREIGN KEY (model_id) REFERENCES model (id)
) PARTITION BY RANGE (observation_id)
"""


def upgrade() -> None:
    connection = op.get_bind()
    if connection.dialect.name != "postgresql":
        return
    inspector = sa.inspect(connection)
    searched = inspector.has_table(inside.TABLE)
    if searched:
        inside.drop(connection)
    last = connection.scalar(sa.text("SELECT max(observation_id) FROM embedding")) or 0
    end = partitions.end_of(int(last))
    first = partitions.name_of(end)
    for statement in (
        f"ALTER TABLE embedding RENAME TO {first}",
        f"ALTER TABLE {first} RENAME CONSTRAINT pk_embedding TO {first}_pkey",
        MAKE,
    ):
        connection.execute(sa.text(statement))
    partitions.attach(connection, first, 0, end)
    if searched:
        connection.execute(sa.text(inside.MAKE))
