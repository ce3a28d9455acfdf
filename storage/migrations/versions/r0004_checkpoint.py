"""Where a run goes on: what its tracker had in mind, how long its source is, why it ended."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("session", sa.Column("checkpoint", sa.Text))
    op.add_column(
        "session", sa.Column("frames", sa.BigInteger().with_variant(sa.Integer, "sqlite"))
    )
    op.add_column("session", sa.Column("failure", sa.Text))
