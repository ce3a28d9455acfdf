"""Puts the console together."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException

from pipeline import PipelineError
from reid import ReidError
from storage import (
    GalleryFull,
    GalleryHeld,
    GalleryLocked,
    GalleryUnreachable,
    NotStored,
    Overtaken,
    StorageError,
)

from . import api, pages
from .context import Shared
from .errors import ConsoleError
from .guard import Headers, Hosts, shown_at
from .state import Console
from .users import Sessions
from .watching import Live

LOOPBACK = ("localhost", "127.0.0.1", "::1")
"""Names by which a console that nobody signs in to may be asked, so that no other site's name can
be made to point at it."""


def create_app(
    console: Console,
    *,
    sign_in: bool,
    hosts: Sequence[str] = LOOPBACK,
    watch: str | None = None,
) -> FastAPI:
    """The application.

    Args:
        sign_in: whether people must sign in with an account of the gallery.
        hosts: the names it answers to; see `guard.Hosts`.
        watch: HOST:PORT at which a `nearfar watch` of the gallery tells of its health.
    """
    app = FastAPI(
        title="nearfar",
        docs_url=None,
        redoc_url=None,
        openapi_url="/api/v1/openapi.json",
        description=api.__doc__ or "",
    )
    app.state.shared = Shared(
        console,
        Sessions(console.gallery.accounts) if sign_in else None,
        Live(console.gallery, watch),
    )
    app.add_middleware(Hosts, names=hosts)
    app.add_middleware(Headers)
    app.include_router(api.router)
    app.include_router(pages.router)
    app.mount("/static", StaticFiles(directory=Path(__file__).parent / "static"), "static")
    for kind in (ConsoleError, StorageError, PipelineError, ReidError):
        app.add_exception_handler(kind, _told)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(Exception, _unforeseen)
    return app


def code_of(error: Exception) -> int:
    """The HTTP status that an error is answered with."""
    if isinstance(error, ConsoleError):
        return error.code
    if isinstance(error, GalleryHeld | Overtaken):
        return 409
    if isinstance(error, GalleryLocked | GalleryUnreachable | GalleryFull):
        return 503
    return 404 if isinstance(error, NotStored) else 422


async def _told(request: Request, error: Exception) -> Response:
    return _answer(request, code_of(error), " ".join(str(error).split()))


async def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"] if part not in ("body", "query", "path"))
    return _answer(request, 422, f"{where or 'the request'}: {first['msg']}")


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return _answer(request, error.status_code, str(error.detail), dict(error.headers or {}))


async def _unforeseen(request: Request, error: Exception) -> Response:
    return _answer(request, 500, "something went wrong here; the console's log says what")


def _answer(
    request: Request, code: int, line: str, headers: dict[str, str] | None = None
) -> Response:
    """One line, as JSON for the API and as a page for browsers."""
    if request.url.path.startswith("/api/"):
        return JSONResponse({"detail": line}, code, headers)
    if code == 401:
        return RedirectResponse(f"/sign-in?then={quote(shown_at(request), safe='')}", 303)
    stay = {} if request.method == "GET" else {"HX-Push-Url": "false"}
    return HTMLResponse(pages.problem(request, line), code, stay)
