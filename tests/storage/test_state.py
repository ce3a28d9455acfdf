"""Any order of writing, linking, judging and removing, against a literal gallery in memory."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from storage import Gallery, GalleryHeld, ObservationRow, Said, StorageError, TrackUpdate

from .conftest import a_model, a_row, of_session
from .places import ask, new_place
from .test_identities import held
from .test_people import LINKS
from .test_search import a_query, literal, name

CAMERAS = ("near", "far")


@dataclass
class Track:
    """What the literal gallery knows of a track."""

    camera: str
    number: int
    rows: list[ObservationRow] = field(default_factory=list)
    identity: int | None = None

    @property
    def last(self) -> float:
        return max(row.time for row in self.rows)


class GalleryMachine(RuleBasedStateMachine):
    """A gallery of ours beside a dictionary."""

    kind: ClassVar[str] = "sqlite"

    @initialize()
    def start(self) -> None:
        self.folder = Path(tempfile.mkdtemp())
        self.stack = ExitStack()
        self.place = self.stack.enter_context(new_place(self.kind, self.folder))
        self.gallery = Gallery.open(self.place, model=a_model(), create=True)
        self.tracks: dict[int, Track] = {}
        self.positions = dict.fromkeys(CAMERAS, 0)
        self.gone: dict[str, set[int]] = {"track": set(), "identity": set()}
        self.log = 0
        self.seed = 0

    def teardown(self) -> None:
        if hasattr(self, "stack"):
            self.gallery.close()
            self.stack.close()
            shutil.rmtree(self.folder)

    @rule(camera=st.sampled_from(CAMERAS), numbers=st.sets(st.integers(1, 4), min_size=1))
    def append(self, camera: str, numbers: set[int]) -> None:
        session = self.gallery.begin_session(camera, camera, camera, 1000.0, 10.0)
        frame = self.positions[camera]
        assert session.position == frame
        updates = {}
        for number in numbers:
            self.seed += 1
            updates[number] = a_row(np.random.default_rng(self.seed), frame, crop=True)
        rows = [TrackUpdate(number, [row]) for number, row in updates.items()]
        self.gallery.append(session.id, frame + 1, 0, rows)
        self.positions[camera] = frame + 1
        for track in of_session(self.gallery, session.id):
            if track.number in updates:
                if track.id not in self.tracks:
                    assert track.id not in self.gone["track"]
                    self.tracks[track.id] = Track(camera, track.number)
                self.tracks[track.id].rows.append(updates[track.number])

    @rule(keys=st.lists(st.sampled_from([None, 1, 2, 3]), min_size=8, max_size=8))
    def link(self, keys: list[int | None]) -> None:
        assignments = dict(zip(sorted(self.tracks), keys, strict=False))
        self.gallery.save_identities(assignments, {})
        self.follow()

    def follow(self) -> None:
        """Takes over who is who, which tests of identities look at; no number comes back."""
        for track in self.gallery.tracks(looks=0):
            before = self.tracks[track.id].identity
            if track.identity is not None and track.identity != before:
                assert track.identity not in self.gone["identity"]
            self.tracks[track.id].identity = track.identity

    @property
    def people(self) -> list[int]:
        return sorted({t.identity for t in self.tracks.values() if t.identity is not None})

    def one(self, data: st.DataObject) -> int:
        return data.draw(st.sampled_from(self.people))

    @precondition(lambda self: self.people)
    @rule(data=st.data())
    def judge(self, data: st.DataObject) -> None:
        own = sorted(i for i, t in self.tracks.items() if t.identity is not None)
        track = data.draw(st.sampled_from(own))
        people = self.gallery.people
        what: Callable[[], Said] = data.draw(
            st.sampled_from(
                [
                    lambda: people.confirm(track),
                    lambda: people.reject(track),
                    lambda: people.split(self.tracks[track].identity or 0, [track]),
                    lambda: people.merge(self.people[0], self.people[-1:]),
                ]
            )
        )
        with suppress(StorageError):  # the only track of a person, or the only person
            before, who = ask(self.place, LINKS), held(self.gallery)
            said = what()
            self.log += 1
            if data.draw(st.booleans()):
                people.undo(said)
                self.log += 1
                assert ask(self.place, LINKS) == before
                assert held(self.gallery) == who
        self.follow()

    @precondition(lambda self: self.people)
    @rule(data=st.data(), held=st.booleans())
    def erase(self, data: st.DataObject, held: bool) -> None:
        identity = self.one(data)
        if held:
            hold = self.gallery.life.hold("why", identity=identity)
            with pytest.raises(GalleryHeld):
                self.gallery.life.erase(identity)
            self.gallery.life.lift(hold.id)
            self.log += 2
            return
        self.gallery.life.erase(identity, vacuum=False)
        self.log += 1
        self.drop([i for i, t in self.tracks.items() if t.identity == identity])
        self.gone["identity"].add(identity)

    @rule(before=st.sampled_from([1000.0, 1000.3, 1000.8]), camera=st.sampled_from([None, "near"]))
    def purge(self, before: float, camera: str | None) -> None:
        if camera is not None and not self.positions[camera]:
            return
        old = [i for i, t in self.tracks.items() if t.last < before and camera in (None, t.camera)]
        assert self.gallery.life.purge(before=before, camera=camera).tracks == len(old)
        self.log += 1
        self.drop(old)

    def drop(self, tracks: list[int]) -> None:
        for track in tracks:
            del self.tracks[track]
        self.gone["track"] |= set(tracks)

    @rule()
    def open_again(self) -> None:
        self.gallery.close()
        self.gallery = Gallery.open(self.place, model=a_model())

    @rule(seed=st.integers(0, 50), n=st.integers(1, 2), camera=st.sampled_from([None, "near"]))
    def search(self, seed: int, n: int, camera: str | None) -> None:
        if camera is not None and not self.positions[camera]:
            return
        query = a_query(seed, n)
        found = self.gallery.search(query, camera=camera, top=100)
        expected = literal(self.gallery, query, camera, None, None, None)
        assert {name(h): h.log_odds for h in found} == pytest.approx(expected, abs=1e-4)

    @invariant()
    def the_two_are_the_same(self) -> None:
        if not hasattr(self, "gallery"):
            return
        stored = {t.id: t for t in self.gallery.tracks()}
        assert set(stored) == set(self.tracks)
        for i, track in self.tracks.items():
            own = stored[i]
            assert (own.camera, own.number, own.identity) == (
                track.camera,
                track.number,
                track.identity,
            )
            assert own.times.tolist() == [row.time for row in track.rows]
            wanted = np.stack([row.vector for row in track.rows if row.vector is not None])
            wanted = wanted.astype(np.float16).astype(np.float32)
            assert np.array_equal(own.embeddings.vectors, wanted)
        assert self.gallery.check() == []
        proof = self.gallery.audit.verify()
        assert (proof.rows, proof.broken) == (self.log, None)
        if self.kind == "sqlite":
            crops = {row.crop for t in self.tracks.values() for row in t.rows}
            files = self.folder.rglob("*.jpg")
            assert {p.read_bytes() for p in files} == crops


class PostgresMachine(GalleryMachine):
    kind = "postgres"


quick = settings(
    max_examples=50,
    stateful_step_count=15,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
TestSqlite = GalleryMachine.TestCase
TestSqlite.settings = quick
TestPostgres = PostgresMachine.TestCase
TestPostgres.settings = settings(quick, max_examples=8)
