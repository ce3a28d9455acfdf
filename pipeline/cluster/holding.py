"""A gallery's parts in the memory of a cluster's nodes, where they stay between searches."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from reid import ModelInfo
from storage import Found, Gallery, Part, PartSearcher, Plan, Question

from ..errors import CallError, PipelineError
from .ray import Ref, join, ray

PATIENCE_SECONDS = 60.0
"""How long a part whose holder died may take to get another: a cluster notices by and by."""

RETRY_SECONDS = 0.5


class Holder:
    """Holds one part, in a process of its own.

    Args:
        place: URL of the gallery, as this node reaches it.
    """

    def __init__(self, place: str, part: Part) -> None:
        self._place, self._part = place, part
        self._searcher: PartSearcher | None = None

    def answer(self, question: Question) -> list[Found]:
        """See `PartSearcher.answer`."""
        if self._searcher is None:
            gallery = Gallery.open(self._place, read_only=True)
            self._searcher = gallery.part(self._part)
        return self._searcher.answer(question)

    def node(self) -> str:
        """The id of its node."""
        return str(ray.get_runtime_context().get_node_id())


class Holders:
    """Those who hold the parts of a plan: found again by name, begun where there are none.

    Args:
        place: URL of the gallery, as the nodes reach it. model: of the gallery.
    """

    def __init__(self, place: str, plan: Plan, model: ModelInfo) -> None:
        self._place, self._plan, self._model = place, plan, model
        self._kind = ray.remote(num_cpus=0)(Holder)

    def ask(self, parts: Sequence[Part], question: Question) -> list[list[Found]]:
        """Has all of them answer at once; see `storage.Ask`."""
        asked = ray.put(question)
        refs = [self._holder(part).answer.remote(asked) for part in parts]
        return [self._answer(part, ref, asked) for part, ref in zip(parts, refs, strict=True)]

    def nodes(self) -> list[str]:
        """The node of each part's holder."""
        return [str(ray.get(self._holder(part).node.remote())) for part in self._plan.parts]

    def _holder(self, part: Part) -> Any:
        name = f"{self._plan.name} {self._plan.parts.index(part)} {self._model.fingerprint}"
        return self._kind.options(
            name=name, lifetime="detached", get_if_exists=True, scheduling_strategy="SPREAD"
        ).remote(self._place, part)

    def _answer(self, part: Part, ref: Ref, asked: Ref) -> list[Found]:
        until = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                found: list[Found] = ray.get(ref)
                return found
            except ray.exceptions.RayTaskError as error:
                raise error.cause from None
            except ray.exceptions.RayError as error:
                if time.monotonic() > until:
                    reason = str(error).strip().splitlines()[0]
                    raise PipelineError(f"a part of the gallery has no holder: {reason}") from error
            time.sleep(RETRY_SECONDS)
            ref = self._holder(part).answer.remote(asked)


@dataclass(frozen=True)
class HeldPart:
    """A part, its rows when the gallery was cut, and the id of the node that holds it."""

    part: Part
    rows: int
    node: str


def spread(address: str, place: str, parts: int | None, window: float) -> list[HeldPart]:
    """Cuts a gallery into parts, and has the nodes of a cluster read them into memory.

    Whoever held parts of it before on this cluster ends.

    Args:
        parts: about how many; one for each node with cores if None. window: see `Parts.cut`.

    Raises:
        PipelineError: no cluster answers. StorageError: the gallery can't be cut, or the nodes
            can't read it.
    """
    with Gallery.open(place) as gallery, joined(address):
        _end(gallery)
        nodes = sum(n["Alive"] and n["Resources"].get("CPU", 0) > 0 for n in ray.nodes())
        plan = gallery.parts.cut(parts or max(1, nodes), window)
        assert gallery.model is not None
        holders = Holders(place, plan, gallery.model)
        try:
            gallery.in_parts(plan.parts, holders.ask).warm()
            return list(map(HeldPart, plan.parts, plan.rows, holders.nodes()))
        except BaseException:
            _end(gallery)
            raise


def gather(address: str, place: str) -> None:
    """Ends those who hold parts of a gallery, and forgets how it was cut."""
    with Gallery.open(place) as gallery, joined(address):
        _end(gallery)


@contextmanager
def where_it_lies(address: str, place: str, gallery: Gallery) -> Iterator[Gallery]:
    """A gallery whose searches are answered by the nodes that hold its parts.

    Raises:
        CallError: it was not spread. PipelineError: no cluster answers.
    """
    plan = gallery.parts.plan
    if plan is None or gallery.model is None:
        raise CallError(
            f"this gallery lies on no cluster: nearfar gallery spread GALLERY --ray {address}"
        )
    with joined(address):
        yield gallery.in_parts(plan.parts, Holders(place, plan, gallery.model).ask)


@contextmanager
def joined(address: str) -> Iterator[None]:
    """This process as a driver of a cluster."""
    if address == "local":
        raise CallError("--ray local ends with the call and holds nothing: start a cluster")
    join(address)
    try:
        yield
    finally:
        ray.shutdown()


def _end(gallery: Gallery) -> None:
    plan = gallery.parts.plan
    if plan is None:
        return
    for name in ray.util.list_named_actors():
        if name.startswith(f"{plan.name} "):
            ray.kill(ray.get_actor(name))
    gallery.parts.forget()
