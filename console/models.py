"""What the API answers with. Times are UTC in seconds, heights and boxes in pixels."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from storage import Alert, Appearance, Sighting, StoredIdentity

Box = tuple[float, float, float, float]
MOST = 2**53
"""The largest number that JSON carries whole everywhere."""
Id = Annotated[int, Field(ge=1, le=MOST)]
ActName = Literal["confirm", "withdraw", "reject", "assign", "merge", "split", "undo"]


class Copied(BaseModel):
    """Made of an object of the same fields, by `model_validate`."""

    model_config = ConfigDict(from_attributes=True)


class Problem(BaseModel):
    """What went wrong, in one line."""

    detail: str


def crop_address(sha: str | None) -> str | None:
    """Where a picture is, by its hash."""
    return f"/api/v1/crops/{sha}" if sha else None


class Seen(BaseModel):
    """One observation; `crop` is the address of its picture."""

    id: int
    track: int
    camera: str
    time: float
    box: Box
    level: int
    crop: str | None

    @classmethod
    def of(cls, sighting: Sighting) -> Seen:
        return cls(
            id=sighting.id,
            track=sighting.track,
            camera=sighting.camera,
            time=sighting.time,
            box=sighting.box,
            level=sighting.level,
            crop=crop_address(sighting.crop),
        )


class Place(BaseModel):
    """Where and when a person was seen, with the best picture there."""

    camera: str
    first: float
    last: float
    best: Seen | None

    @classmethod
    def of(cls, appearance: Appearance) -> Place:
        return cls(
            camera=appearance.camera,
            first=appearance.first,
            last=appearance.last,
            best=Seen.of(appearance.best) if appearance.best else None,
        )


class QueryOut(BaseModel):
    """A picture that was sent; one with several `people` wants one of them picked."""

    id: str
    width: int
    height: int
    person_height: float = Field(description="in pixels, as the camera saw the person")
    level: int | None = Field(description="of the comparison; null until a person is picked")
    people: list[Box]


class Hit(BaseModel):
    """A person that a search found, or a track that has no identity."""

    identity: int | None
    probability: float
    level: int = Field(description="at which the best picture was compared")
    distance: float
    best: Seen
    places: list[Place]


class SearchOut(BaseModel):
    """Persons, likeliest first; `known` says whether anybody is likely to be the one."""

    known: bool
    persons: int = Field(description="that were compared")
    hits: list[Hit]
    next: str | None = Field(description="`page` of the page that follows")


class TrackOut(BaseModel):
    """A track of an identity, and what holds it there."""

    id: int
    camera: str
    first: float
    last: float
    observations: int
    evidence: float | None = Field(description="nats")
    best: Seen | None


class IdentityOut(BaseModel):
    id: int
    first: float
    last: float
    places: list[Place]
    tracks: list[int]

    @classmethod
    def of(cls, one: StoredIdentity) -> IdentityOut:
        return cls(
            id=one.id,
            first=one.first,
            last=one.last,
            places=[Place.of(a) for a in one.appearances],
            tracks=list(one.tracks),
        )


class ChangeOut(Copied):
    """Tracks that went from one identity to another."""

    kind: str
    source: int
    target: int | None
    tracks: int
    time: float


class PairOut(BaseModel):
    """How two tracks speak for one person."""

    one: int
    other: int
    evidence: float = Field(description="nats, without the prior")
    level: int = Field(description="of the best comparison between them")


class WholeIdentity(IdentityOut):
    """A person with all tracks and what was changed."""

    every: list[TrackOut]
    pairs: list[PairOut] = Field(description="of the first tracks, the weakest first")
    history: list[ChangeOut]


class Identities(BaseModel):
    identities: list[IdentityOut]
    next: int | None = Field(description="`above` of the page that follows")


class Act(BaseModel):
    """What a person says of tracks and identities.

    `confirm`, `withdraw`, `reject`: of a `track` and the identity it has. To `confirm` or `reject`
    is refused when an `identity` is given and the track has another by now. `assign`: a `track` is
    of `identity`. `merge`: `others` are `identity`. `split`: some `tracks` of `identity` are
    another.
    `undo`: what stood before the act `of` stands again, unless something has changed since.
    """

    act: ActName
    track: Id | None = None
    identity: Id | None = None
    others: list[Id] = Field(default=[], max_length=1000)
    tracks: list[Id] = Field(default=[], max_length=10_000)
    of: str | None = Field(default=None, max_length=100)


class Undo(BaseModel):
    """The act that takes an act back; send it to `/api/v1/acts` while the console runs."""

    act: Literal["undo"] = "undo"
    of: str


class Done(BaseModel):
    """What an act did, in words, and how to take it back."""

    said: str
    identity: int | None
    undo: Undo | None


class DoubtOut(BaseModel):
    """A link to judge: is `one` the same person as `other`?"""

    track: int
    identity: int
    evidence: float
    one: Seen
    other: Seen


class Review(BaseModel):
    left: int = Field(description="links that nobody has judged")
    next: DoubtOut | None


class CameraOut(BaseModel):
    name: str
    sessions: int
    first: float
    last_start: float
    done: bool


class RuleOut(Copied):
    camera: str | None
    seconds: float | None
    bytes: int | None


class HoldOut(Copied):
    id: int
    identity: int | None
    camera: str | None
    reason: str
    lifted: float | None


class GalleryOut(BaseModel):
    """What is kept, and for how long."""

    tracks: int
    observations: int
    identities: int
    crops: int
    bytes: int
    first: float | None
    last: float | None
    model: str | None
    cameras: list[CameraOut]
    rules: list[RuleOut]
    holds: list[HoldOut]


class EraseIn(BaseModel):
    """`observations` must be what the page said before, so that nobody erases unseen."""

    observations: int = Field(ge=0, le=MOST)


class Removal(Copied):
    tracks: int
    observations: int
    crops: int


class HoldIn(BaseModel):
    reason: str = Field(min_length=1, max_length=500)
    identity: Id | None = None
    camera: str | None = Field(default=None, max_length=200)


class Who(BaseModel):
    name: str
    role: str


class WantedOut(BaseModel):
    """Somebody who is looked for."""

    name: str
    added: float
    pictures: int


class AlertOut(Copied):
    """Somebody who is looked for was seen; `state` is that of the message."""

    id: int
    wanted: str
    camera: str
    track: int
    identity: int | None
    time: float
    seen: float
    log_odds: float
    crop: str | None
    state: str
    trouble: str | None

    @classmethod
    def of(cls, alert: Alert) -> AlertOut:
        return cls.model_validate(alert).model_copy(update={"crop": crop_address(alert.crop)})


class WatchListOut(BaseModel):
    persons: list[WantedOut]
    alerts: list[AlertOut] = Field(description="newest first")


class WantedIn(BaseModel):
    """A person to look for, by stored observations (`like`), a query, or both."""

    name: str = Field(min_length=1, max_length=100)
    like: list[Id] = Field(default=[], max_length=50)
    query: str | None = None


class WantedDone(BaseModel):
    """`can_alert`: whether so many pictures can raise an alert at one false alarm a day."""

    name: str
    pictures: int
    can_alert: bool


class LiveSeen(BaseModel):
    """Somebody whom a camera saw last."""

    seen: Seen
    identity: int | None


class LiveBox(BaseModel):
    """Somebody in a frame; `track` is null until it is stored, `identity` until it is known."""

    box: Box
    track: int | None
    identity: int | None


class LiveFrame(BaseModel):
    """A camera's newest frame that went through the stages, and who is in it."""

    number: int
    time: float
    width: int
    height: int
    picture: str = Field(description="address of the frame, a JPEG; it is there for some seconds")
    boxes: list[LiveBox] = Field(description="in pixels of the frame")


class Tile(BaseModel):
    """A camera; all but `camera` and `people` are null where no watch answers for it."""

    camera: str
    state: str | None = None
    reason: str | None = None
    stale: bool | None = None
    newest: float | None = Field(default=None, description="when the newest real frame came")
    delay: float | None = Field(default=None, description="seconds from capture to stored")
    people: list[LiveSeen]
    frame: LiveFrame | None = Field(default=None, description="where the watch shows frames")


class LiveOut(BaseModel):
    """What the cameras see, and whether a watch is running."""

    watch: bool
    trouble: str | None
    tiles: list[Tile]
    alerts: list[AlertOut] = Field(description="the last few, newest first")
