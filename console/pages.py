"""The pages, made on the server of what the API answers with."""

from __future__ import annotations

import re
from contextlib import suppress
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, File, Form, Query, Request, UploadFile
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from pipeline.outputs import iso
from pipeline.pages import FAR, clock, css_colour, span
from storage import StorageError

from . import acting, api, looking, watching
from .api import Number
from .context import Administrator, Context, Here, Operator, shared_of, user_of
from .errors import ConsoleError
from .guard import check_origin
from .looking import Terms
from .models import MOST, Act, ActName, Id, WantedIn, WholeIdentity
from .notes import Note
from .users import COOKIE, SESSION_SECONDS

router = APIRouter(include_in_schema=False)


@cache
def _templates() -> Environment:
    made = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals.update(span=span, colour=css_colour, far=FAR, clock=clock, day=day)
    made.filters["code"] = _with_code
    made.globals["version"] = version("nearfar")
    return made


def _with_code(text: str) -> Markup:
    """Text with what stands between backticks as code."""
    parts = re.split("`+", text)
    return Markup("").join(
        Markup("<code>{}</code>").format(part) if i % 2 else escape(part)
        for i, part in enumerate(parts)
    )


def day(time: float) -> str:
    """Day, hour, minute and second of UTC."""
    return iso(time)[:19].replace("T", " ")


def _page(here: Context, template: str, **values: Any) -> HTMLResponse:
    made = _templates().get_template(template)
    own = {
        "user": here.user,
        "accounts": here.noted,
        "note": here.note,
        "done": here.done,
        "passed": None,
    }
    return HTMLResponse(made.render(**{**own, **values}))


def _went(here: Context, place: str, said: str) -> RedirectResponse:
    """Goes to a page that says what was done; it can be loaded again and gone back to."""
    name = here.shared.notes.keep(here.user.name, Note(said))
    return RedirectResponse(_address(place, done=name), 303)


def problem(request: Request, line: str) -> str:
    """A page with a line that says what went wrong."""
    user = None
    with suppress(StorageError):  # which may be what went wrong
        user = user_of(request)
    accounts = shared_of(request).sessions is not None
    made = _templates().get_template("problem.html")
    return made.render(line=line, user=user, accounts=accounts, note=None)


@router.get("/")
def home(here: Here) -> HTMLResponse:
    """Search, before anything is looked for."""
    return _page(here, "search.html", form=_form(here), result=None, query=None)


@router.get("/search")
def search(
    here: Here,
    query: str | None = None,
    like: Annotated[list[Id], Query(max_length=50)] = [],  # noqa: B006
    camera: str = "",
    after: str = "",
    before: str = "",
    min_level: str = "",
    page: str | None = None,
) -> HTMLResponse:
    """The answer to a query; its address names stored rows or a picture in memory."""
    limits = {"camera": camera, "after": after, "before": before, "min_level": min_level}
    asked = None
    if query is not None:
        asked = looking.described(here.console, here.console.query(query, here.user.name))
    form = _form(here, query=query, like=like, limits=limits)
    if asked is not None and asked.people:
        return _page(here, "search.html", form=form, result=None, query=asked)
    terms = Terms(
        query=query,
        like=tuple(like),
        camera=camera or None,
        after=_moment(after),
        before=_moment(before),
        min_level=int(min_level) if min_level.isdecimal() else None,
        page=page,
    )
    result = looking.search(here.console, here.gallery, terms, here.user.name, here.noted)
    liked = [here.gallery.browse.sighting(one) for one in like]
    lasting = None
    if query is not None and result.hits and page is None:
        lasting = _address("/search", like=[*like, result.hits[0].best.id], **limits)
    return _page(
        here,
        "search.html",
        form={**form, "liked": liked},
        result=result,
        query=asked,
        page=page,
        lasting=lasting,
        more=_address("/search", query=query, like=like, **limits, page=result.next),
    )


@router.post("/search")
def send(
    here: Here,
    picture: Annotated[UploadFile | None, File()] = None,
    camera: Annotated[str, Form()] = "",
    after: Annotated[str, Form()] = "",
    before: Annotated[str, Form()] = "",
    min_level: Annotated[str, Form()] = "",
) -> Response:
    """Takes in a picture and goes to the address of its answer."""
    if picture is None or not picture.size:
        raise ConsoleError("choose a picture first")
    query = api.take(here, picture, None)
    limits = {"camera": camera, "after": after, "before": before, "min_level": min_level}
    return RedirectResponse(_address("/search", query=query.id, **limits), 303)


@router.post("/search/{name}/{person}")
def pick(here: Here, name: str, person: int) -> Response:
    """Looks for one of the people in a frame."""
    query = here.console.pick(here.console.query(name, here.user.name), person, here.user.name)
    return RedirectResponse(_address("/search", query=query.id), 303)


@router.get("/identities")
def identities(here: Here, above: Annotated[int, Query(ge=0, le=MOST)] = 0) -> HTMLResponse:
    """All persons, a page at a time."""
    return _page(here, "identities.html", found=looking.identities(here.gallery, above))


@router.get("/identities/{number}")
def identity(here: Here, number: Number) -> HTMLResponse:
    """One person: timeline, pictures, evidence, what can be said."""
    one = looking.identity(here.gallery, number)
    return _page(here, "identity.html", one=one, timeline=_timeline(one))


@router.get("/identities/{number}/erase")
def ask_to_erase(here: Here, number: Number) -> HTMLResponse:
    """What would go, before it goes."""
    going = acting.would_go(here.gallery, number)
    return _page(here, "erase.html", number=number, going=going)


@router.post("/identities/{number}/erase")
def erase(
    here: Administrator, number: Number, observations: Annotated[int, Form(ge=0, le=MOST)]
) -> Response:
    """Removes a person for good."""
    gone = acting.erase(here.gallery, number, observations)
    said = f"Identity {number} is erased: {gone.tracks} tracks, {gone.crops} pictures."
    return _went(here, "/gallery", said)


@router.post("/acts")
def act(
    here: Operator,
    act: Annotated[ActName, Form()],
    track: Annotated[Id | None, Form()] = None,
    identity: Annotated[Id | None, Form()] = None,
    others: Annotated[list[Id], Form()] = [],  # noqa: B006
    tracks: Annotated[list[Id], Form()] = [],  # noqa: B006
    of: Annotated[str | None, Form()] = None,
    back: Annotated[str, Form()] = "",
    passed: Annotated[list[Id], Form(max_length=1000)] = [],  # noqa: B006
) -> Response:
    """Does what somebody says and shows where it leads; from the review, the next link."""
    wanted = Act(act=act, track=track, identity=identity, others=others, tracks=tracks, of=of)
    done = acting.act(here, wanted)
    name = done.undo.of if done.undo else here.shared.notes.keep(here.user.name, Note(done.said))
    if back == "review":
        return RedirectResponse(_address("/review", passed=passed, done=name), 303)
    there = looking.is_there(here.gallery, done.identity)
    place = f"/identities/{done.identity}" if there else "/identities"
    return RedirectResponse(_address(place, done=name), 303)


@router.get("/review")
def review(
    here: Here,
    passed: Annotated[list[Id], Query(max_length=1000)] = [],  # noqa: B006
) -> HTMLResponse:
    """The least certain link: two pictures, two keys."""
    found = looking.review(here.gallery, passed)
    return _page(here, "review.html", found=found, passed=passed)


@router.get("/live")
def live(here: Here) -> HTMLResponse:
    """A tile a camera, kept up by server-sent events."""
    found = here.shared.live.now()
    return _page(here, "live.html", found=found, mark=watching.mark(found))


@router.get("/watchlist")
def watchlist(here: Here, below: Annotated[int, Query(ge=1, le=MOST)] = MOST) -> HTMLResponse:
    """Who is looked for, and the alerts, a page at a time."""
    found = watching.watchlist(here.gallery)
    alerts = [alert for alert in found.alerts if alert.id < below]
    shown = alerts[: looking.AT_ONCE]
    earlier = shown[-1].id if len(alerts) > len(shown) else None
    return _page(here, "watchlist.html", found=found, alerts=shown, earlier=earlier)


@router.post("/watchlist")
def look_for(
    here: Operator,
    name: Annotated[str, Form(min_length=1, max_length=100)],
    like: Annotated[list[Id], Form(max_length=50)] = [],  # noqa: B006
    query: Annotated[str | None, Form()] = None,
) -> Response:
    """Looks for a person from now on."""
    body = WantedIn(name=name, like=like, query=query)
    done = watching.look_for(here.console, here.gallery, body, here.user.name)
    enough = "" if done.can_alert else " So few can't raise an alert: add more."
    said = f"{done.name} is looked for, by {done.pictures} pictures.{enough}"
    return _went(here, "/watchlist", said)


@router.post("/watchlist/remove")
def look_no_more(here: Operator, name: Annotated[str, Form()]) -> Response:
    """Looks for a person no more."""
    here.gallery.watchlist.remove(name)
    return _went(here, "/watchlist", f"{name} is no longer looked for.")


@router.get("/gallery")
def gallery(here: Here) -> HTMLResponse:
    """What is kept, for how long, and what may not go."""
    return _page(here, "gallery.html", kept=looking.kept(here.gallery))


@router.post("/holds")
def hold(
    here: Administrator,
    reason: Annotated[str, Form(min_length=1, max_length=500)],
    identity: Annotated[Id | None, Form()] = None,
    camera: Annotated[str, Form(max_length=200)] = "",
) -> Response:
    """Places a legal hold on a person, a camera or everything."""
    made = here.gallery.life.hold(reason, identity=identity, camera=camera or None)
    return _went(here, "/gallery", f"Hold {made.id} is placed.")


@router.post("/holds/{number}/lift")
def lift(here: Administrator, number: Number) -> Response:
    """Lifts a legal hold."""
    here.gallery.life.lift(number)
    return _went(here, "/gallery", f"Hold {number} is lifted.")


@router.get("/api")
def api_page(here: Here, request: Request) -> HTMLResponse:
    """What the JSON API offers, from its own document."""
    return _page(here, "api.html", document=request.app.openapi())


@router.get("/sign-in")
def ask_to_sign_in(request: Request, then: str = "/") -> HTMLResponse:
    """The form."""
    return HTMLResponse(_sign_in_form(then, None))


@router.post("/sign-in")
def sign_in(
    request: Request,
    name: Annotated[str, Form(max_length=64)],
    password: Annotated[str, Form(max_length=1000)],
    then: Annotated[str, Form()] = "/",
) -> Response:
    """Begins a session."""
    check_origin(request)
    shared = shared_of(request)
    if shared.sessions is None:
        return RedirectResponse("/", 303)
    client = request.client.host if request.client else "?"
    for key in (f"name {name}", f"client {client}"):
        shared.sign_ins.check(key)
    cookie = shared.sessions.sign_in(name, password)
    if cookie is None:
        for key in (f"name {name}", f"client {client}"):
            shared.sign_ins.note(key)
        return HTMLResponse(_sign_in_form(then, "Name and password don't fit."), 403)
    answer = RedirectResponse(_own(then), 303)
    answer.set_cookie(
        COOKIE,
        cookie,
        max_age=SESSION_SECONDS,
        httponly=True,
        samesite="lax",
        secure=request.url.scheme == "https",
    )
    return answer


@router.post("/sign-out")
def sign_out(request: Request) -> Response:
    """Ends the session in this browser, which forgets the pictures that it holds."""
    check_origin(request)
    answer = RedirectResponse("/sign-in", 303, {"Clear-Site-Data": '"cache", "storage"'})
    answer.delete_cookie(COOKIE)
    return answer


def _sign_in_form(then: str, wrong: str | None) -> str:
    made = _templates().get_template("sign_in.html")
    return made.render(then=_own(then), wrong=wrong, user=None, accounts=True, note=None)


def _own(then: str) -> str:
    """A place on this console, never another site's."""
    return then if then.startswith("/") and not then.startswith(("//", "/\\")) else "/"


def _form(
    here: Context,
    query: str | None = None,
    like: list[int] | None = None,
    limits: dict[str, str] | None = None,
) -> dict[str, Any]:
    levels = here.gallery.model.levels.heights if here.gallery.model else ()
    return {
        "cameras": sorted({s.camera for s in here.gallery.sessions()}),
        "levels": list(enumerate(levels, start=1)),
        "query": query,
        "like": like or [],
        "liked": [],
        **(limits or {"camera": "", "after": "", "before": "", "min_level": ""}),
    }


def _moment(text: str) -> float | None:
    """UTC in seconds of what a browser's time field sends."""
    if not text:
        return None
    try:
        return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()
    except ValueError:
        raise ConsoleError(f"{text!r} is no time: write 2026-01-31T08:00") from None


def _address(path: str, **values: Any) -> str:
    kept = [(k, v) for k, v in values.items() if v not in (None, "", [])]
    return f"{path}?{urlencode(kept, doseq=True)}" if kept else path


def _timeline(one: WholeIdentity) -> list[dict[str, Any]]:
    """A lane a camera; each bar's left and width in percent of the person's whole time."""
    length = max(one.last - one.first, 1e-3)
    lanes: dict[str, list[dict[str, Any]]] = {}
    for track in one.every:
        lanes.setdefault(track.camera, []).append(
            {
                "track": track.id,
                "left": round(100 * (track.first - one.first) / length, 2),
                "width": max(0.8, round(100 * (track.last - track.first) / length, 2)),
                "when": span(track.first, track.last),
            }
        )
    return [{"camera": camera, "bars": bars} for camera, bars in lanes.items()]
