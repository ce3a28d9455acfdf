"""Crops inside the database, what is removed and may not be, and who did what."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer, "sqlite")
NEVER_REUSED = {"sqlite_autoincrement": True}

APPEND_ONLY = {
    "sqlite": [
        f"CREATE TRIGGER audit_no_{what} BEFORE {what} ON audit "
        "BEGIN SELECT RAISE(ABORT, 'the audit log is only added to'); END"
        for what in ("update", "delete")
    ],
    "postgresql": [
        "CREATE FUNCTION nearfar_append_only() RETURNS trigger LANGUAGE plpgsql AS $$ "
        "BEGIN RAISE EXCEPTION 'the audit log is only added to'; END $$",
        "CREATE TRIGGER audit_no_change BEFORE UPDATE OR DELETE OR TRUNCATE ON audit "
        "FOR EACH STATEMENT EXECUTE FUNCTION nearfar_append_only()",
    ],
}
"""Keeps programs and people from changing the past by accident; the chain tells of intent."""


def upgrade() -> None:
    op.create_table(
        "picture",
        sa.Column("sha256", sa.Text, nullable=False),
        sa.Column("jpeg", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("sha256", name="pk_picture"),
        sa.ForeignKeyConstraint(
            ["sha256"], ["crop.sha256"], name="fk_picture_sha256", ondelete="CASCADE"
        ),
    )
    op.create_table(
        "counter",
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("value", KEY, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_counter"),
    )
    op.create_table(
        "setting",
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("value", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_setting"),
    )
    op.create_table(
        "tombstone",
        sa.Column("id", KEY, primary_key=True),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("gone", KEY, nullable=False),
        sa.Column("time", sa.Double, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_tombstone"),
        sa.UniqueConstraint("kind", "gone", name="uq_tombstone_kind"),
        sa.CheckConstraint("kind IN ('track', 'identity')", name=op.f("ck_tombstone_kind")),
        **NEVER_REUSED,
    )
    op.create_table(
        "hold",
        sa.Column("id", KEY, primary_key=True),
        sa.Column("identity_id", KEY),
        sa.Column("camera_id", KEY),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("placed", sa.Double, nullable=False),
        sa.Column("lifted", sa.Double),
        sa.PrimaryKeyConstraint("id", name="pk_hold"),
        sa.ForeignKeyConstraint(["identity_id"], ["identity.id"], name="fk_hold_identity_id"),
        sa.ForeignKeyConstraint(["camera_id"], ["camera.id"], name="fk_hold_camera_id"),
        **NEVER_REUSED,
    )
    op.create_table(
        "audit",
        sa.Column("id", KEY, primary_key=True),
        sa.Column("time", sa.Double, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("action", sa.Text, nullable=False),
        sa.Column("details", sa.Text, nullable=False),
        sa.Column("hash", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_audit"),
        **NEVER_REUSED,
    )
    for statement in APPEND_ONLY[op.get_bind().dialect.name]:
        op.execute(statement)
