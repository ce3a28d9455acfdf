"""Identities over cameras: the partition of tracks that the evidence supports best."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Collection, Hashable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reid import Calibration

from .constraints import Conflicts, Constraints, Indices, Judgements
from .evidence import Evidence
from .partition import Partition
from .shortlist import Shortlist
from .tracklet import Identity, PairEvidence, Tracklet, by_content


@dataclass(frozen=True)
class LinkSettings:
    """How much it takes to link.

    Args:
        prior: log-odds, in nats, that two tracks of the site show one person before a look at
            them. Raising it links more and errs more.
        witnesses: how many independent looks a pair of tracks counts for at most; frames of one
            passage show the same clothes from much the same side.
        crowding: nats that look-alikes may cost each of these looks. With 0 nobody's looks are too
            common; raising it errs less among thousands, and parts people who come by often.
        candidates: how many of the likeliest others of each track are looked at in full. Lowering
            it saves time, and misses people among thousands who look alike from afar.
    """

    prior: float = -1.25
    witnesses: float = 3.0
    crowding: float = 4.0
    candidates: int = 32


@dataclass(frozen=True)
class Group:
    """Tracks of one person, by key in ascending order, each with the log-odds in nats that hold it
    among them: 0 when it is alone."""

    tracks: tuple[int, ...]
    support: Mapping[int, float]


class Linker:
    """Links tracks into identities, as they come.

    A pair of tracks weighs its evidence, less what look-alikes cost it, plus the prior; pairs that
    the constraints forbid never share an identity. `Shortlist` finds the pairs that may attract
    each other, `Partition` the groups.

    For files, one `update` takes all tracks. A live camera calls it with the tracks that became
    mature and with those that grew: each is looked for among all, joins a group or not, and those
    around it may join, part or move in turn; tracks far from it stay where they are. So many small
    updates need not end where one large one does: `link` over all tracks says what is best.

    Memory: the embeddings that it is given, and 10 KB a track with vectors of 512 numbers.

    Args:
        judgements: what people said; of tracks that come later, too. When they say something new,
            make a new linker and `start` it with the groups there are.
        among: how many tracks there are in all, where it is to get a part of them only: there are
            as many look-alikes as among all.
    """

    def __init__(
        self,
        calibration: Calibration,
        constraints: Constraints | None = None,
        settings: LinkSettings | None = None,
        judgements: Judgements | None = None,
        among: int = 0,
    ) -> None:
        self.settings = settings or LinkSettings()
        self._conflicts = Conflicts(constraints or Constraints())
        self._evidence = Evidence(calibration, self.settings.witnesses)
        self._shortlist = Shortlist(
            self._evidence, self._conflicts, calibration, self.settings.candidates, among
        )
        self._partition = Partition(self._evidence.between, self._price, self._conflicts.between)
        self._number: dict[int, int] = {}
        self._keys: dict[int, int] = {}
        self._unused: list[int] = []
        self._person = (judgements or Judgements()).person
        self._shown: dict[Hashable, set[int]] = defaultdict(set)
        self._apart: dict[int, set[int]] = defaultdict(set)
        for a, b in judgements.apart if judgements else ():
            self._apart[a].add(b)
            self._apart[b].add(a)

    def start(self, tracklets: Iterable[Tracklet], identity: Mapping[int, Hashable]) -> None:
        """Takes in tracks with the identities that they have, and leaves them as they are.

        Args:
            identity: by the tracks' keys; those without one, or with None, are alone.

        Raises:
            TrackerError: when the embeddings come from two models.
        """
        self._take(tracklets, identity)

    def update(self, tracklets: Iterable[Tracklet]) -> list[Group]:
        """Links new tracks, and those that grew, to what is there.

        Args:
            tracklets: each as a whole, also where it is known already; no key twice. Those without
                embeddings stay alone.

        Returns:
            Groups that have one of these tracks or that got or lost one, by their lowest key. Each
            track that moved is in one of them.

        Raises:
            TrackerError: when the embeddings come from two models.
        """
        given = list(tracklets)
        fresh, around, left = self._take(given, {})
        changed = left | self._partition.improve(fresh, around)
        changed |= {self._partition.home[t] for t in fresh}
        found = [self._group(g) for g in changed if g in self._partition.groups]
        silent = [Group((t.key,), {t.key: 0.0}) for t in given if t.key not in self._number]
        return sorted(found + silent, key=lambda group: group.tracks[0])

    def forget(self, keys: Iterable[int]) -> None:
        """Drops tracks, those that it does not know passed over."""
        gone = {key: self._number.pop(key) for key in sorted(set(keys)) if key in self._number}
        self._shortlist.drop(np.array(sorted(gone.values()), np.int64))
        for key, track in gone.items():
            self._partition.drop(track)
            self._evidence.drop(track)
            self._conflicts.drop(track)
            if key in self._person:
                self._shown[self._person[key]].discard(track)
            del self._keys[track]
            self._unused.append(track)

    def identity(self, keys: Collection[int]) -> Identity:
        """Tracks with the evidence of all their pairs."""
        ordered = sorted(keys)
        tracks = np.array([self._number[k] for k in ordered if len(ordered) > 1], np.int64)
        evidence: dict[tuple[int, int], PairEvidence] = {}
        if len(tracks):
            table = self._evidence
            odds = table.between(tracks, tracks)
            for a, b in itertools.combinations(range(len(ordered)), 2):
                level = table.level(int(tracks[a]), int(tracks[b]))
                evidence[ordered[a], ordered[b]] = PairEvidence(float(odds[a, b]), level)
        return Identity(tuple(ordered), evidence)

    def _take(
        self, tracklets: Iterable[Tracklet], identity: Mapping[int, Hashable]
    ) -> tuple[list[int], list[int], set[int]]:
        """Puts tracks with embeddings into groups; returns them, all tracks that have other
        likeliest others than before, and the groups that tracks which were known had been in."""
        heard = sorted((t for t in tracklets if len(t.embeddings)), key=by_content)
        if not heard:
            return [], [], set()
        self._evidence.expect(t.embeddings for t in heard)
        homes = {}
        for tracklet in heard:
            number = self._number.get(tracklet.key)
            if number is not None:
                homes[number] = self._partition.leave(number)
                self._partition.part(number)
            self._put(tracklet)
        self._shortlist.drop(np.array(sorted(homes), np.int64))
        fresh = sorted(self._number[t.key] for t in heard)
        i, j, around = self._shortlist.look(np.array(fresh))
        self._place(fresh, homes, identity)
        self._attract(i, j)
        return fresh, around.tolist(), set(homes.values())

    def _put(self, tracklet: Tracklet) -> None:
        """Keeps what is known of a track, under its number."""
        key = tracklet.key
        number = self._number.get(key)
        if number is None:
            number = self._unused.pop() if self._unused else len(self._number)
        self._evidence.put(number, tracklet.embeddings)
        self._conflicts.put(number, tracklet, self._person.get(key, 0))
        self._number[key], self._keys[number] = number, key
        apart = self._apart.get(key, set())
        self._conflicts.part(number, (self._number[k] for k in apart if k in self._number))

    def _attract(self, i: Indices, j: Indices) -> None:
        """Notes which of some pairs have a positive weight; `i` is ascending."""
        bounds = np.flatnonzero(np.diff(i, prepend=-1, append=-1))
        for start, end in itertools.pairwise(bounds):
            one, others = i[start : start + 1], j[start:end]
            odds = self._evidence.between(one, others)[0]
            for k in np.flatnonzero(odds > self._price(one, others)[0]):
                self._partition.attract(int(one[0]), int(others[k]), float(odds[k]))

    def _place(
        self,
        fresh: Iterable[int],
        homes: Mapping[int, int],
        identity: Mapping[int, Hashable],
    ) -> None:
        """Puts fresh tracks into groups: of the person they show, of the identity they have, where
        they were, or of their own."""
        told = {
            identity[key]: self._person[key]
            for key in sorted(identity, reverse=True)
            if key in self._person and identity[key] is not None
        }
        groups: dict[tuple[str, Hashable], list[int]] = defaultdict(list)
        for track in fresh:
            key = self._keys[track]
            one = identity.get(key)
            if person := self._person.get(key, told.get(one)):
                groups["person", person].append(track)
            elif track in homes and not self._strange(track, homes[track]):
                self._partition.enter(track, homes[track])
            else:
                groups[("track", track) if one is None else ("identity", one)].append(track)
        for (kind, who), tracks in groups.items():
            shown = self._shown[who] if kind == "person" else []
            known = [self._partition.home[t] for t in shown if t in self._partition.home]
            known += [homes[t] for t in tracks if kind == "person" and t in homes]
            if known:
                for track in tracks:
                    self._partition.enter(track, known[0])
            else:
                self._partition.begin(tracks)
        for track in fresh:
            if person := self._person.get(self._keys[track]):
                self._partition.pinned.add(track)
                self._shown[person].add(track)

    def _strange(self, track: int, group: int) -> bool:
        """Whether a track may not be in a group any more."""
        others = np.array(self._partition.groups.get(group, ()), np.int64)
        return bool(self._conflicts.between(np.array([track]), others).any())

    def _price(self, a: Indices, b: Indices) -> NDArray[np.float64]:
        """What a pair of tracks must bring, in nats: the prior, and more where looks are common."""
        rivals = self._shortlist.rivals
        common = (rivals(a)[:, None] + rivals(b)[None, :]) / 2
        crowd = np.minimum(np.logaddexp(0, common), self.settings.crowding)
        return np.asarray(self._evidence.looks(a, b) * crowd - self.settings.prior)

    def _group(self, number: int) -> Group:
        tracks = self._partition.groups[number]
        support = {self._keys[t]: self._partition.support[t] for t in tracks}
        return Group(tuple(sorted(support)), support)


def link(
    tracklets: Iterable[Tracklet],
    calibration: Calibration,
    constraints: Constraints | None = None,
    settings: LinkSettings | None = None,
    judgements: Judgements | None = None,
    among: int = 0,
) -> list[Identity]:
    """Links all tracks of a site, as `Linker` does; neither their order nor their keys matter.

    Args:
        tracklets: tracks of all cameras; those without embeddings stay alone.
        among: see `Linker`.

    Returns:
        Identities by their lowest key.

    Raises:
        TrackerError: when the embeddings come from two models.
    """
    linker = Linker(calibration, constraints, settings, judgements, among)
    return [linker.identity(group.tracks) for group in linker.update(tracklets)]
