"""Persons to look for, and the alerts that they raise."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer, "sqlite")
NEVER_REUSED = {"sqlite_autoincrement": True}


def upgrade() -> None:
    op.create_table(
        "wanted",
        sa.Column("id", KEY, primary_key=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("added", sa.Double, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_wanted"),
        sa.UniqueConstraint("name", name="uq_wanted_name"),
        **NEVER_REUSED,
    )
    op.create_table(
        "wanted_look",
        sa.Column("id", KEY, nullable=False),
        sa.Column("wanted_id", KEY, nullable=False),
        sa.Column("model_id", KEY, nullable=False),
        sa.Column("level", KEY, nullable=False),
        sa.Column("vector", sa.LargeBinary, nullable=False),
        sa.Column("jpeg", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_wanted_look"),
        sa.ForeignKeyConstraint(
            ["wanted_id"], ["wanted.id"], name="fk_wanted_look_wanted_id", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["model_id"], ["model.id"], name="fk_wanted_look_model_id"),
    )
    op.create_table(
        "alert",
        sa.Column("id", KEY, primary_key=True),
        sa.Column("wanted", sa.Text, nullable=False),
        sa.Column("camera_id", KEY, nullable=False),
        sa.Column("track_id", KEY, nullable=False),
        sa.Column("time", sa.Double, nullable=False),
        sa.Column("seen", sa.Double, nullable=False),
        sa.Column("log_odds", sa.Double, nullable=False),
        sa.Column("least", sa.Double, nullable=False),
        sa.Column("crop", sa.Text),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("attempts", KEY, nullable=False),
        sa.Column("due", sa.Double, nullable=False),
        sa.Column("trouble", sa.Text),
        sa.PrimaryKeyConstraint("id", name="pk_alert"),
        sa.ForeignKeyConstraint(["camera_id"], ["camera.id"], name="fk_alert_camera_id"),
        sa.ForeignKeyConstraint(
            ["track_id"], ["track.id"], name="fk_alert_track_id", ondelete="CASCADE"
        ),
        sa.CheckConstraint(
            "state IN ('kept', 'waiting', 'sent', 'given up')", name=op.f("ck_alert_state")
        ),
        **NEVER_REUSED,
    )
    op.create_index("ix_alert_track_id", "alert", ["track_id"])
    op.create_index("ix_alert_state", "alert", ["state"])
