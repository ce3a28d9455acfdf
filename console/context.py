"""What a request works with: who sends it, and the gallery as theirs."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Lock
from typing import Annotated

from fastapi import Depends, Request

from storage import Gallery

from .errors import ConsoleError
from .guard import Limit, check_origin
from .notes import Note, Notes
from .state import Console
from .users import COOKIE, Sessions, User
from .watching import Live


@dataclass
class Shared:
    """All that outlives a request.

    Args:
        sessions: None where nobody has to sign in.
        is_over: whether the console ends, and answers that go on have to.
    """

    console: Console
    sessions: Sessions | None
    live: Live
    notes: Notes = field(default_factory=Notes)
    uploads: Limit = field(default_factory=lambda: Limit(60, 60.0))
    sign_ins: Limit = field(default_factory=lambda: Limit(5, 60.0))
    looks: OrderedDict[tuple[str, str], None] = field(default_factory=OrderedDict)
    is_over: Callable[[], bool] = lambda: False
    lock: Lock = field(default_factory=Lock)


@dataclass(frozen=True)
class Context:
    """One request's user, and the gallery whose audit log names that user.

    Args:
        done: the name of the note on what the user did, which the page is to show.
    """

    shared: Shared
    user: User
    gallery: Gallery
    done: str | None

    @property
    def console(self) -> Console:
        return self.shared.console

    @property
    def noted(self) -> bool:
        """Whether searches and looks go into the audit log in any case: where people sign in."""
        return self.shared.sessions is not None

    @property
    def note(self) -> Note | None:
        """What the user did, as the page is to say."""
        return self.shared.notes.find(self.done, self.user.name) if self.done else None

    def look(self, sha: str) -> None:
        """Notes that the user looks at a picture, once for each picture and user of late."""
        self._note(sha, {"crop": sha})

    def look_live(self, camera: str) -> None:
        """Notes that the user looks at a camera's frames, once an hour."""
        self._note(f"{camera} in hour {int(time.time() // 3600)}", {"camera": camera})

    def _note(self, what: str, facts: dict[str, str]) -> None:
        if not (self.noted or self.gallery.audit.notes_searches):
            return
        key = (self.user.name, what)
        with self.shared.lock:
            if key in self.shared.looks:
                self.shared.looks.move_to_end(key)
                return
            self.shared.looks[key] = None
            while len(self.shared.looks) > 20_000:
                self.shared.looks.popitem(last=False)
        self.gallery.audit.note("look", facts)


def shared_of(request: Request) -> Shared:
    """The state of the application."""
    shared: Shared = request.app.state.shared
    return shared


def user_of(request: Request) -> User | None:
    """Who sends a request; None where somebody must sign in first."""
    shared = shared_of(request)
    if shared.sessions is None:
        return User(shared.console.gallery.actor, "administrator")
    return shared.sessions.user(request.cookies.get(COOKIE))


def context(request: Request) -> Context:
    """The context of a request.

    Raises:
        ConsoleError: nobody is signed in, or another site sent it.
    """
    check_origin(request)
    shared, user = shared_of(request), user_of(request)
    if user is None:
        raise ConsoleError("sign in first", 401)
    gallery = shared.console.gallery.by(user.name)
    return Context(shared, user, gallery, request.query_params.get("done"))


Here = Annotated[Context, Depends(context)]


def operator(here: Here) -> Context:
    """A context whose user may judge."""
    here.user.need("operator")
    return here


def administrator(here: Here) -> Context:
    """A context whose user may erase."""
    here.user.need("administrator")
    return here


Operator = Annotated[Context, Depends(operator)]
Administrator = Annotated[Context, Depends(administrator)]
