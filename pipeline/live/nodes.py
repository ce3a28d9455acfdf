"""The nodes of a Ray cluster as those who watch: a post on each, cameras spread over them."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Collection
from dataclasses import replace
from queue import SimpleQueue
from threading import Event, Thread
from typing import Any
from urllib.parse import unquote, urlsplit

from reid import ReidError
from storage import StorageError

from ..cluster import Models
from ..cluster.ray import join, ray
from ..errors import CallError, PipelineError
from .held import Held, begin, usable
from .links import Links
from .plan import share_out
from .post import News, Orders
from .states import CameraState, StationHealth, absent
from .telling import Teller
from .watched import Wanted

ASK_SECONDS = 0.3
"""Between two questions to a post."""
SILENT_SECONDS = 6.0
"""After which a post that does not answer is given up; longer than a post's own lease."""
BEGIN_SECONDS = 120.0
"""How long a post may take to begin: a core to get free, models to open."""
SETTLE_SECONDS = 30.0
"""How long the first spreading waits for posts that begin."""
SEEK_SECONDS = 2.0
"""Between two looks for nodes without a post."""
AGAIN_SECONDS = 10.0
"""After which a node whose post was lost gets another one."""
CLOSE_SECONDS = 4.0
"""How long posts may take to end."""
RECALL_SECONDS = 600.0
"""How far back, before a post was last heard, observations may have been seen that it stored."""


class Nodes:
    """Watches cameras with the nodes of a cluster; see `watching.Crew`.

    One thread asks every post what is new, gives the cameras of one that does not answer to the
    others, and begins a post on each node that joins.

    Args:
        address: see `cluster.ray.join`. models: that each node opens.
        gallery: URL of the gallery, which each node writes.
        links: given what was stored. tell: told each change.

    Raises:
        PipelineError: no cluster answers there.
    """

    def __init__(
        self, address: str, models: Models, gallery: str, links: Links, tell: Teller
    ) -> None:
        join(address)
        environment = {n: v for n, v in os.environ.items() if n.startswith("PG")}
        self._orders = Orders(models, gallery, environment)
        self._links, self._tell = links, tell
        self.failure: Exception | None = None
        self._changes: SimpleQueue[Wanted] = SimpleQueue()
        self._wanted: Wanted = {}
        self._posts: dict[str, Held] = {}
        self._owners: dict[str, str] = {}
        self._lost: dict[str, float] = {}
        self._not_before: dict[str, float] = {}
        self._settled = False
        self._began = self._round = self._listened = time.monotonic()
        self._sought = float("-inf")
        self._stop = Event()
        self._thread = Thread(target=self._run, name="nodes", daemon=True)

    @property
    def frames(self) -> Nodes:
        """Itself; see `answer`."""
        return self

    def start(self, wanted: Wanted) -> None:
        """Begins.

        Raises:
            CallError: a camera is a device.
        """
        try:
            self.change(wanted)
        except PipelineError:
            ray.shutdown()
            raise
        self._wanted = wanted
        self._thread.start()

    def change(self, wanted: Wanted) -> None:
        """Has the cameras be others.

        Raises:
            CallError: one is a device.
        """
        for name, (_, address) in wanted.items():
            if address.kind == "device":
                raise CallError(f"camera {name} is a device of one machine: watch it without --ray")
        self._changes.put(wanted)

    def health(self) -> StationHealth:
        """How everything is now, as far as the posts have told."""
        now, posts, owners = time.monotonic(), list(self._posts.values()), self._owners
        found, rate, trouble = {}, 0.0, None
        for post in posts:
            if post.health is None:
                continue
            rate += post.health.rate
            trouble = trouble or post.health.trouble
            for c in post.health.cameras:
                if owners.get(c.camera) == post.node:
                    age = None if c.age is None else c.age + now - post.heard
                    found[c.camera] = replace(c, age=age, node=post.name)
        cameras = (
            found.get(name) or absent(name, address.shown, "no node watches it yet")
            for name, (_, address) in self._wanted.items()
        )
        return StationHealth(tuple(cameras), rate, now - self._round, trouble)

    def answer(self, address: str) -> tuple[bytes, str] | None:
        """What stands at ``/frames`` of the posts; see `Frames.answer`."""
        path = urlsplit(address).path
        posts = {p.node: p for p in list(self._posts.values()) if p.ready}
        if path != "/frames":
            camera = unquote(path.removeprefix("/frames/").removesuffix(".jpg"))
            owner = posts.get(self._owners.get(camera, ""))
            return None if owner is None else self._ask_all([owner], address)[0]
        told: dict[str, Any] = {}
        for found in self._ask_all(posts.values(), address):
            told |= {} if found is None else json.loads(found[0])
        return json.dumps(told).encode(), "application/json"

    def close(self) -> None:
        """Ends all posts, hands on what they still have to say, and leaves the cluster."""
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join()
        ray.shutdown()

    def _run(self) -> None:
        try:
            while not self._stop.is_set():
                began = self._round = time.monotonic()
                self._seek()
                self._listen()
                while not self._changes.empty():
                    self._wanted = self._changes.get()
                if self._settled or self._has_settled():
                    self._spread()
                self._stop.wait(began + ASK_SECONDS - time.monotonic())
            self._end()
        except ray.exceptions.RayError as error:
            self.failure = PipelineError(f"the cluster failed: {_line(error)}")
        except Exception as error:
            self.failure = error
        for camera, since in self._lost.items():
            self._links.recall(camera, since)

    def _seek(self) -> None:
        """Begins a post on each node that has none and has room for one."""
        now = time.monotonic()
        if now - self._sought < SEEK_SECONDS:
            return
        self._sought = now
        for node in usable(self._orders.models.device):
            key, name = node["NodeID"], node["NodeName"]
            if key in self._posts or now < self._not_before.get(key, now):
                continue
            if name in [post.name for post in self._posts.values()]:
                name = f"{name} {key[:6]}"
            self._posts[key] = begin(node, name, self._orders)

    def _listen(self) -> None:
        """Takes in the answers that are there, asks anew, gives up those who are silent."""
        calls = {post.call: post for post in self._posts.values()}
        if calls:
            found = ray.wait(list(calls), num_returns=len(calls), timeout=ASK_SECONDS)[0]
            for call in found:
                self._hear(calls[call])
        now = time.monotonic()
        passed = min(now - self._listened, 1.0)  # what held up this thread is no post's silence
        self._listened = now
        for post in list(self._posts.values()):
            post.silent += passed
            limit = SILENT_SECONDS if post.ready else BEGIN_SECONDS
            if post.silent > limit:
                self._lose(post, f"no answer for {limit:g} s")

    def _hear(self, post: Held) -> None:
        try:
            said: Any = ray.get(post.call, timeout=SILENT_SECONDS)
        except ray.exceptions.RayTaskError as error:
            cause = error.cause
            foreseen = isinstance(cause, PipelineError | ReidError | StorageError)
            if not (post.ready or self._settled) and foreseen:
                raise PipelineError(f"node {post.name}: {cause}") from None
            self._lose(post, str(cause))
            return
        except ray.exceptions.RayError as error:
            self._lose(post, _line(error))
            return
        if said is None:
            post.ready = True
            self._tell_of(post, "ready", "")
        else:
            self._take_in(post, said)
        post.heard, post.heard_utc = time.monotonic(), time.time()
        post.call, post.silent = post.actor.news.remote(), 0.0

    def _take_in(self, post: Held, news: News) -> None:
        for stored in news.stored:
            self._links.put(*stored)
        for event in news.events:
            self._tell({**event, "node": post.name})
        post.health = news.health
        for c in news.health.cameras:
            if c.camera in self._lost and c.state is not CameraState.WAITING:
                # claimed anew, so that whoever had it before can store nothing any more
                self._links.recall(c.camera, self._lost.pop(c.camera))

    def _lose(self, post: Held, reason: str) -> None:
        """Gives up a post; its cameras are free."""
        ray.kill(post.actor)
        del self._posts[post.node]
        self._not_before[post.node] = time.monotonic() + AGAIN_SECONDS
        for camera in post.cameras:
            self._lost.setdefault(camera, post.heard_utc - RECALL_SECONDS)
        self._tell_of(post, "lost", reason)

    def _has_settled(self) -> bool:
        beginning = [post for post in self._posts.values() if not post.ready]
        waited = time.monotonic() - self._began > SETTLE_SECONDS
        self._settled = (
            bool(self._posts) and len(beginning) < len(self._posts) and (waited or not beginning)
        )
        return self._settled

    def _spread(self) -> None:
        """Has each post watch its share."""
        ready = [post for post in self._posts.values() if post.ready]
        self._owners = share_out(self._wanted, self._owners, [post.node for post in ready])
        for post in ready:
            mine = {n: a for n, a in self._wanted.items() if self._owners[n] == post.node}
            if mine != post.cameras:
                post.cameras = mine
                post.actor.change.remote(mine)

    def _end(self) -> None:
        """Has all posts end, and takes in what they still say."""
        ready = [post for post in self._posts.values() if post.ready]
        calls = [(post, call) for post in ready for call in (post.call, post.actor.close.remote())]
        if calls:
            every = [call for _, call in calls]
            ray.wait(every, num_returns=len(every), timeout=CLOSE_SECONDS)
        for post, call in calls:
            try:
                said: Any = ray.get(call, timeout=0)
                self._take_in(post, said)
            except ray.exceptions.RayError:  # too late, or gone
                self._lost |= dict.fromkeys(post.cameras, post.heard_utc - RECALL_SECONDS)

    def _ask_all(self, posts: Collection[Held], address: str) -> list[tuple[bytes, str] | None]:
        """What some posts answer of their frames; None for one that is silent."""
        calls = [post.actor.frames.remote(address) for post in posts]
        found = []
        for call in calls:
            try:
                found.append(ray.get(call, timeout=1.0))
            except ray.exceptions.RayError:
                found.append(None)
        return found

    def _tell_of(self, post: Held, state: str, reason: str) -> None:
        self._tell({"event": "node", "node": post.name, "state": state, "reason": reason})


def _line(error: Exception) -> str:
    return str(error).strip().splitlines()[0]
