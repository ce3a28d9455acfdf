"""The JSON API under `/api/v1`; its document is at `/api/v1/openapi.json`, a page of it at `/api`.

Changes need a page of this address or the header `X-Nearfar: 1`.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, File, Form, Path, Query, Request, Response, UploadFile
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import StreamingResponse

from pipeline.crops import encode

from . import acting, looking, state, watching
from .context import Administrator, Context, Here, Operator, user_of
from .errors import ConsoleError
from .looking import Terms
from .models import (
    MOST,
    Act,
    Done,
    EraseIn,
    GalleryOut,
    HoldIn,
    HoldOut,
    Id,
    Identities,
    LiveOut,
    Problem,
    QueryOut,
    Removal,
    Review,
    SearchOut,
    WantedDone,
    WantedIn,
    WatchListOut,
    Who,
    WholeIdentity,
)
from .uploads import MOST_BYTES, decode

Number = Annotated[int, Path(ge=1, le=MOST)]
Time = Annotated[float | None, Query(allow_inf_nan=False, description="UTC in seconds")]


class EventStream(StreamingResponse):
    media_type = "text/event-stream"


router = APIRouter(
    prefix="/api/v1",
    responses={
        code: {"model": Problem}
        for code in (400, 401, 403, 404, 405, 409, 413, 415, 422, 429, 500, 503)
    },
)


@router.get("/me")
def me(here: Here) -> Who:
    """Who is signed in."""
    return Who(name=here.user.name, role=here.user.role)


@router.post("/queries", status_code=201)
def send_query(
    here: Here,
    picture: Annotated[UploadFile, File(description="a crop of a person, or a whole frame")],
    height: Annotated[
        float | None,
        Form(gt=0, le=100_000, description="of the person in pixels, where it was enlarged"),
    ] = None,
) -> QueryOut:
    """Sends a picture to look for; it is kept in memory for a while and written nowhere."""
    return looking.described(here.console, take(here, picture, height))


def take(here: Context, picture: UploadFile, height: float | None) -> state.Query:
    """Reads and embeds a picture that was sent."""
    here.shared.uploads.check(here.user.name)
    here.shared.uploads.note(here.user.name)
    image = decode(picture.file.read(MOST_BYTES + 1))
    return here.console.ask(image, height, here.user.name)


@router.post("/queries/{name}/people/{person}", status_code=201)
def pick(here: Here, name: str, person: Annotated[int, Path(ge=0, le=10_000)]) -> QueryOut:
    """Makes a query of one of the people in a frame."""
    query = here.console.query(name, here.user.name)
    return looking.described(here.console, here.console.pick(query, person, here.user.name))


@router.get("/queries/{name}/picture", response_class=Response)
def query_picture(here: Here, name: str) -> Response:
    """The picture of a query, as a JPEG."""
    image = here.console.query(name, here.user.name).image
    return Response(encode(image), media_type="image/jpeg")


@router.get("/search")
def search(
    here: Here,
    query: str | None = None,
    like: Annotated[list[Id], Query(max_length=50)] = [],  # noqa: B006
    camera: str | None = None,
    after: Time = None,
    before: Time = None,
    min_level: Annotated[int | None, Query(ge=1, le=100)] = None,
    page: str | None = None,
    top: Annotated[int, Query(ge=1, le=100)] = 12,
) -> SearchOut:
    """Persons who look like a picture that was sent, stored observations (`like`), or both."""
    terms = Terms(query, tuple(like), camera, after, before, min_level, page, top)
    return looking.search(here.console, here.gallery, terms, here.user.name, here.noted)


@router.get("/crops/{sha}", response_class=Response)
def crop(here: Here, sha: Annotated[str, Path(pattern="^[0-9a-f]{64}$")]) -> Response:
    """A stored picture, a JPEG."""
    data = here.gallery.crop(sha)
    here.look(sha)
    return Response(
        data, media_type="image/jpeg", headers={"Cache-Control": "private, max-age=600"}
    )


@router.get("/identities")
def identities(here: Here, above: Annotated[int, Query(ge=0, le=MOST)] = 0) -> Identities:
    """Persons by number, a page at a time."""
    return looking.identities(here.gallery, above)


@router.get("/identities/{number}")
def identity(here: Here, number: Number) -> WholeIdentity:
    """A person: places, tracks, why they hold together, what was changed."""
    return looking.identity(here.gallery, number)


@router.get("/identities/{number}/removal")
def would_go(here: Here, number: Number) -> Removal:
    """What erasing a person would remove."""
    return acting.would_go(here.gallery, number)


@router.post("/identities/{number}/erase")
def erase(here: Administrator, number: Number, body: EraseIn) -> Removal:
    """Removes a person for good, if as many observations would go as the page said."""
    return acting.erase(here.gallery, number, body.observations)


@router.post("/acts")
def act(here: Operator, body: Act) -> Done:
    """Does what somebody says of tracks and identities; the answer says how to take it back."""
    return acting.act(here, body)


@router.get("/review")
def review(
    here: Here,
    passed: Annotated[list[Id], Query(max_length=1000)] = [],  # noqa: B006
) -> Review:
    """The least certain link that nobody has judged, but for those `passed` over."""
    return looking.review(here.gallery, passed)


@router.get("/gallery")
def gallery(here: Here) -> GalleryOut:
    """What is kept, for how long, and what may not go."""
    return looking.kept(here.gallery)


@router.post("/holds", status_code=201)
def hold(here: Administrator, body: HoldIn) -> HoldOut:
    """Places a legal hold on a person, a camera or everything."""
    made = here.gallery.life.hold(body.reason, identity=body.identity, camera=body.camera)
    return HoldOut.model_validate(made)


@router.delete("/holds/{number}", status_code=204)
def lift(here: Administrator, number: Number) -> None:
    """Lifts a legal hold."""
    here.gallery.life.lift(number)


@router.get("/watchlist")
def watchlist(here: Here) -> WatchListOut:
    """Who is looked for, and the alerts that they raised."""
    return watching.watchlist(here.gallery)


@router.post("/watchlist", status_code=201)
def look_for(here: Operator, body: WantedIn) -> WantedDone:
    """Looks for a person from now on, or adds pictures of one who is looked for."""
    return watching.look_for(here.console, here.gallery, body, here.user.name)


@router.delete("/watchlist/{name:path}", status_code=204)
def look_no_more(here: Operator, name: str) -> None:
    """Looks for a person no more; the pictures go, alerts stay."""
    here.gallery.watchlist.remove(name)


@router.get("/live")
def live(here: Here) -> LiveOut:
    """What each camera sees, how it is, and the last alerts."""
    return here.shared.live.now()


@router.get("/live/{camera}/frames/{number}", response_class=Response)
def live_frame(here: Here, camera: str, number: Number) -> Response:
    """A frame that `/live` told of, a JPEG of 640 pixels at most; it is stored nowhere."""
    data = here.shared.live.picture(camera, number)
    here.look_live(camera)
    return Response(data, media_type="image/jpeg")


@router.get("/live/events", include_in_schema=False, response_class=EventStream)
async def live_events(here: Here, request: Request) -> EventStream:
    """Server-sent events: a mark, whenever what `/live` answers has changed; new frames by
    themselves, as ``frames``; a ``beat`` each second. They end with the session, and with the
    console."""

    async def events() -> AsyncIterator[str]:
        last = shown = None
        while not (here.shared.is_over() or await request.is_disconnected()):
            if await run_in_threadpool(user_of, request) is None:
                return
            found = await run_in_threadpool(here.shared.live.now)
            if (now := watching.mark(found)) != last:
                last = now
                yield f"data: {now}\n\n"
            if (fresh := json.dumps(watching.frames(found))) != shown:
                shown = fresh
                yield f"event: frames\ndata: {fresh}\n\n"
            yield "event: beat\ndata: .\n\n"
            await asyncio.sleep(watching.EVERY)

    return EventStream(events())


@router.get("/{path:path}", include_in_schema=False)
def nothing_here(path: str) -> None:
    raise ConsoleError(f"no /api/v1/{path}: see /api", 404)
