"""The tables, as typed models; `migrations` creates them and a test holds the two together.

Times are UTC in seconds. Lengths and places in pixels of the frame. Levels are 1..m, larger is
sharper. Ids that leave the house (identity, track, observation) are never used again.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Double,
    ForeignKey,
    Integer,
    LargeBinary,
    MetaData,
    Text,
    UniqueConstraint,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

NAMES = {
    "ix": "ix_%(table_name)s_%(column_0_name)s",
    "uq": "uq_%(table_name)s_%(column_0_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s",
    "pk": "pk_%(table_name)s",
}
"""How constraints are named, so that a later migration can address them."""

NEVER_REUSED = {"sqlite_autoincrement": True}


class Base(DeclarativeBase):
    metadata = MetaData(naming_convention=NAMES)
    type_annotation_map = {  # noqa: RUF012
        int: BigInteger().with_variant(Integer, "sqlite"),
        float: Double(),
        str: Text(),
        bytes: LargeBinary(),
    }


class Model(Base):
    """An embedder whose vectors the gallery holds; `info` is `reid.ModelInfo` as JSON."""

    __tablename__ = "model"
    id: Mapped[int] = mapped_column(primary_key=True)
    fingerprint: Mapped[str] = mapped_column(unique=True)
    info: Mapped[str]
    active: Mapped[bool]


class Camera(Base):
    __tablename__ = "camera"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)


class Session(Base):
    """One run over one source; `position` counts the frames whose results are committed.

    `checkpoint` is what the run's tracker had in mind there, `frames` how many the source should
    have, `failure` why the run could not go on; all may be unknown.
    """

    __tablename__ = "session"
    __table_args__ = (
        UniqueConstraint("camera_id", "content"),
        CheckConstraint("state IN ('running', 'stopped', 'done')", name="state"),
    )
    id: Mapped[int] = mapped_column(primary_key=True)
    camera_id: Mapped[int] = mapped_column(ForeignKey("camera.id"))
    source: Mapped[str]
    content: Mapped[str]
    fps: Mapped[float]
    start: Mapped[float]
    state: Mapped[str]
    position: Mapped[int]
    frames_lost: Mapped[int]
    frames: Mapped[int | None]
    checkpoint: Mapped[str | None]
    failure: Mapped[str | None]
    created: Mapped[float]
    updated: Mapped[float]


class Identity(Base):
    """A person; the row stays when the identity ends, so that its id is not used again."""

    __tablename__ = "identity"
    __table_args__ = NEVER_REUSED
    id: Mapped[int] = mapped_column(primary_key=True)
    created: Mapped[float]
    ended: Mapped[float | None]


class Track(Base):
    """`number` is the tracker's, within the session."""

    __tablename__ = "track"
    __table_args__ = (UniqueConstraint("session_id", "number"), NEVER_REUSED)
    id: Mapped[int] = mapped_column(primary_key=True)
    session_id: Mapped[int] = mapped_column(ForeignKey("session.id", ondelete="CASCADE"))
    number: Mapped[int]
    first: Mapped[float]
    last: Mapped[float]
    identity_id: Mapped[int | None] = mapped_column(ForeignKey("identity.id"), index=True)


class Crop(Base):
    """A JPEG file, named by its hash; `bytes` is its size."""

    __tablename__ = "crop"
    sha256: Mapped[str] = mapped_column(primary_key=True)
    bytes: Mapped[int]


class Picture(Base):
    """The JPEG file's bytes of a crop, in galleries that keep their crops inside."""

    __tablename__ = "picture"
    sha256: Mapped[str] = mapped_column(
        ForeignKey("crop.sha256", ondelete="CASCADE"), primary_key=True
    )
    jpeg: Mapped[bytes]


class Observation(Base):
    __tablename__ = "observation"
    __table_args__ = (UniqueConstraint("track_id", "frame"), NEVER_REUSED)
    id: Mapped[int] = mapped_column(primary_key=True)
    track_id: Mapped[int] = mapped_column(ForeignKey("track.id", ondelete="CASCADE"))
    frame: Mapped[int]
    time: Mapped[float]
    x: Mapped[float]
    y: Mapped[float]
    w: Mapped[float]
    h: Mapped[float]
    score: Mapped[float]
    level: Mapped[int]
    quality: Mapped[float]
    crop_sha256: Mapped[str | None] = mapped_column(ForeignKey("crop.sha256"), index=True)


class Embedding(Base):
    """`vector` is little-endian fp16, the first `level` sub-vectors of `model` and no more."""

    __tablename__ = "embedding"
    observation_id: Mapped[int] = mapped_column(
        ForeignKey("observation.id", ondelete="CASCADE"), primary_key=True
    )
    model_id: Mapped[int] = mapped_column(ForeignKey("model.id"), primary_key=True)
    level: Mapped[int]
    vector: Mapped[bytes]


class IdentityLink(Base):
    """Why a track has (or had) an identity; `evidence` in nats.

    `state` is ``current`` or ``past`` for links by ``machine``; ``confirmed`` and ``rejected`` are
    for links judged by a ``person``.
    """

    __tablename__ = "identity_link"
    __table_args__ = (
        UniqueConstraint("track_id", "identity_id"),
        CheckConstraint("method IN ('machine', 'person')", name="method"),
        CheckConstraint("state IN ('current', 'past', 'confirmed', 'rejected')", name="state"),
    )
    id: Mapped[int] = mapped_column(primary_key=True)
    track_id: Mapped[int] = mapped_column(ForeignKey("track.id", ondelete="CASCADE"))
    identity_id: Mapped[int] = mapped_column(ForeignKey("identity.id"), index=True)
    evidence: Mapped[float]
    method: Mapped[str]
    state: Mapped[str]
    updated: Mapped[float]


class IdentityHistory(Base):
    """`tracks` tracks went from one identity to another (or to none).

    ``merge``: the identity they came from ended. ``split``: it lives on without them.
    """

    __tablename__ = "identity_history"
    __table_args__ = (CheckConstraint("kind IN ('merge', 'split')", name="kind"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str]
    from_id: Mapped[int] = mapped_column(ForeignKey("identity.id"))
    to_id: Mapped[int | None] = mapped_column(ForeignKey("identity.id"))
    tracks: Mapped[int]
    time: Mapped[float]


class Counter(Base):
    """Numbers that only grow: readers learn from them that what they hold in memory has changed.

    ``identities`` counts the changes of which track is whose.
    """

    __tablename__ = "counter"
    name: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[int]


class Setting(Base):
    """How this gallery is kept, fixed for all who open it; see `storage.settings`."""

    __tablename__ = "setting"
    name: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[str]


class Tombstone(Base):
    """A track or identity that was removed; `gone` is its id, which is never used again."""

    __tablename__ = "tombstone"
    __table_args__ = (
        UniqueConstraint("kind", "gone"),
        CheckConstraint("kind IN ('track', 'identity')", name="kind"),
        NEVER_REUSED,
    )
    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str]
    gone: Mapped[int]
    time: Mapped[float]


class Hold(Base):
    """Forbids to remove what it covers until it is lifted.

    One identity, one camera, or the whole gallery where both are None.
    """

    __tablename__ = "hold"
    __table_args__ = NEVER_REUSED
    id: Mapped[int] = mapped_column(primary_key=True)
    identity_id: Mapped[int | None] = mapped_column(ForeignKey("identity.id"))
    camera_id: Mapped[int | None] = mapped_column(ForeignKey("camera.id"))
    reason: Mapped[str]
    placed: Mapped[float]
    lifted: Mapped[float | None]


class Audit(Base):
    """Who did what; each row's `hash` covers its own columns and the `hash` of the row before."""

    __tablename__ = "audit"
    __table_args__ = NEVER_REUSED
    id: Mapped[int] = mapped_column(primary_key=True)
    time: Mapped[float]
    actor: Mapped[str]
    action: Mapped[str]
    details: Mapped[str]
    hash: Mapped[str]


class Wanted(Base):
    """A person to look for."""

    __tablename__ = "wanted"
    __table_args__ = NEVER_REUSED
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    added: Mapped[float]


class WantedLook(Base):
    """A picture of a person to look for; `vector` is the first `level` sub-vectors of `model`."""

    __tablename__ = "wanted_look"
    id: Mapped[int] = mapped_column(primary_key=True)
    wanted_id: Mapped[int] = mapped_column(ForeignKey("wanted.id", ondelete="CASCADE"))
    model_id: Mapped[int] = mapped_column(ForeignKey("model.id"))
    level: Mapped[int]
    vector: Mapped[bytes]
    jpeg: Mapped[bytes]


class Alert(Base):
    """Somebody who is looked for was seen, for as long as one visit lasts.

    `time` is of the observation that raised it, `seen` of the visit's last; `log_odds` and the
    `least` that was asked for in nats; `crop` the hash of the picture. `state` says where its
    message stands: ``kept`` (none is to be sent), ``waiting`` until `due`, ``sent``, ``given up``.
    """

    __tablename__ = "alert"
    __table_args__ = (
        CheckConstraint("state IN ('kept', 'waiting', 'sent', 'given up')", name="state"),
        NEVER_REUSED,
    )
    id: Mapped[int] = mapped_column(primary_key=True)
    wanted: Mapped[str]
    camera_id: Mapped[int] = mapped_column(ForeignKey("camera.id"))
    track_id: Mapped[int] = mapped_column(ForeignKey("track.id", ondelete="CASCADE"), index=True)
    time: Mapped[float]
    seen: Mapped[float]
    log_odds: Mapped[float]
    least: Mapped[float]
    crop: Mapped[str | None]
    state: Mapped[str] = mapped_column(index=True)
    attempts: Mapped[int]
    due: Mapped[float]
    trouble: Mapped[str | None]
