"""The first schema."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer, "sqlite")
NEVER_REUSED = {"sqlite_autoincrement": True}


def upgrade() -> None:
    op.create_table(
        "model",
        sa.Column("id", KEY, primary_key=True),
        sa.Column("fingerprint", sa.Text, nullable=False),
        sa.Column("info", sa.Text, nullable=False),
        sa.Column("active", sa.Boolean, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_model"),
        sa.UniqueConstraint("fingerprint", name="uq_model_fingerprint"),
    )
    op.create_table(
        "camera",
        sa.Column("id", KEY, primary_key=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_camera"),
        sa.UniqueConstraint("name", name="uq_camera_name"),
    )
    op.create_table(
        "session",
        sa.Column("id", KEY, primary_key=True),
        sa.Column("camera_id", KEY, nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("content", sa.Text, nullable=False),
        sa.Column("fps", sa.Double, nullable=False),
        sa.Column("start", sa.Double, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("position", KEY, nullable=False),
        sa.Column("frames_lost", KEY, nullable=False),
        sa.Column("created", sa.Double, nullable=False),
        sa.Column("updated", sa.Double, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_session"),
        sa.ForeignKeyConstraint(["camera_id"], ["camera.id"], name="fk_session_camera_id"),
        sa.UniqueConstraint("camera_id", "content", name="uq_session_camera_id"),
        sa.CheckConstraint(
            "state IN ('running', 'stopped', 'done')", name=op.f("ck_session_state")
        ),
    )
    op.create_table(
        "identity",
        sa.Column("id", KEY, primary_key=True),
        sa.Column("created", sa.Double, nullable=False),
        sa.Column("ended", sa.Double),
        sa.PrimaryKeyConstraint("id", name="pk_identity"),
        **NEVER_REUSED,
    )
    op.create_table(
        "track",
        sa.Column("id", KEY, primary_key=True),
        sa.Column("session_id", KEY, nullable=False),
        sa.Column("number", KEY, nullable=False),
        sa.Column("first", sa.Double, nullable=False),
        sa.Column("last", sa.Double, nullable=False),
        sa.Column("identity_id", KEY),
        sa.PrimaryKeyConstraint("id", name="pk_track"),
        sa.ForeignKeyConstraint(
            ["session_id"], ["session.id"], name="fk_track_session_id", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["identity_id"], ["identity.id"], name="fk_track_identity_id"),
        sa.UniqueConstraint("session_id", "number", name="uq_track_session_id"),
        **NEVER_REUSED,
    )
    op.create_index("ix_track_identity_id", "track", ["identity_id"])
    op.create_table(
        "crop",
        sa.Column("sha256", sa.Text, primary_key=True),
        sa.Column("bytes", KEY, nullable=False),
        sa.PrimaryKeyConstraint("sha256", name="pk_crop"),
    )
    op.create_table(
        "observation",
        sa.Column("id", KEY, primary_key=True),
        sa.Column("track_id", KEY, nullable=False),
        sa.Column("frame", KEY, nullable=False),
        sa.Column("time", sa.Double, nullable=False),
        sa.Column("x", sa.Double, nullable=False),
        sa.Column("y", sa.Double, nullable=False),
        sa.Column("w", sa.Double, nullable=False),
        sa.Column("h", sa.Double, nullable=False),
        sa.Column("score", sa.Double, nullable=False),
        sa.Column("level", KEY, nullable=False),
        sa.Column("quality", sa.Double, nullable=False),
        sa.Column("crop_sha256", sa.Text),
        sa.PrimaryKeyConstraint("id", name="pk_observation"),
        sa.ForeignKeyConstraint(
            ["track_id"], ["track.id"], name="fk_observation_track_id", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["crop_sha256"], ["crop.sha256"], name="fk_observation_crop_sha256"
        ),
        sa.UniqueConstraint("track_id", "frame", name="uq_observation_track_id"),
        **NEVER_REUSED,
    )
    op.create_index("ix_observation_crop_sha256", "observation", ["crop_sha256"])
    op.create_table(
        "embedding",
        sa.Column("observation_id", KEY, nullable=False),
        sa.Column("model_id", KEY, nullable=False),
        sa.Column("level", KEY, nullable=False),
        sa.Column("vector", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("observation_id", "model_id", name="pk_embedding"),
        sa.ForeignKeyConstraint(
            ["observation_id"],
            ["observation.id"],
            name="fk_embedding_observation_id",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(["model_id"], ["model.id"], name="fk_embedding_model_id"),
    )
    op.create_table(
        "identity_link",
        sa.Column("id", KEY, primary_key=True),
        sa.Column("track_id", KEY, nullable=False),
        sa.Column("identity_id", KEY, nullable=False),
        sa.Column("evidence", sa.Double, nullable=False),
        sa.Column("method", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("updated", sa.Double, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_identity_link"),
        sa.ForeignKeyConstraint(
            ["track_id"], ["track.id"], name="fk_identity_link_track_id", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["identity_id"], ["identity.id"], name="fk_identity_link_identity_id"
        ),
        sa.UniqueConstraint("track_id", "identity_id", name="uq_identity_link_track_id"),
        sa.CheckConstraint("method IN ('machine', 'person')", name=op.f("ck_identity_link_method")),
        sa.CheckConstraint(
            "state IN ('current', 'past', 'confirmed', 'rejected')",
            name=op.f("ck_identity_link_state"),
        ),
    )
    op.create_index("ix_identity_link_identity_id", "identity_link", ["identity_id"])
    op.create_table(
        "identity_history",
        sa.Column("id", KEY, primary_key=True),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("from_id", KEY, nullable=False),
        sa.Column("to_id", KEY),
        sa.Column("tracks", KEY, nullable=False),
        sa.Column("time", sa.Double, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_identity_history"),
        sa.ForeignKeyConstraint(["from_id"], ["identity.id"], name="fk_identity_history_from_id"),
        sa.ForeignKeyConstraint(["to_id"], ["identity.id"], name="fk_identity_history_to_id"),
        sa.CheckConstraint("kind IN ('merge', 'split')", name=op.f("ck_identity_history_kind")),
    )
