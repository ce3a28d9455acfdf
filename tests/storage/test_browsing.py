"""Parts of a gallery for those who look at it page by page."""

from __future__ import annotations

import numpy as np
import pytest

from storage import Gallery, StorageError

from .test_identities import held, tracks_of
from .test_life import fill


@pytest.fixture
def filled(gallery: Gallery) -> Gallery:
    """Two cameras, two tracks on each, two identities."""
    fill(gallery)
    return gallery


def test_embeddings_are_those_of_the_tracks(filled: Gallery) -> None:
    for track in filled.tracks():
        times = {s.time: s.id for s in filled.observations(track.id)}
        ids = [times[t] for t in track.times][::-1]
        found = filled.browse.embeddings(ids)
        np.testing.assert_array_equal(found.vectors, track.embeddings.vectors[::-1])
        np.testing.assert_array_equal(found.levels, track.embeddings.levels[::-1])
        np.testing.assert_array_equal(found.quality, track.embeddings.quality[::-1])
        assert filled.search(found[:1])[0].probability > 0
    with pytest.raises(StorageError, match="no observation 99999"):
        filled.browse.embeddings([99_999])


def test_identities_come_in_pages(filled: Gallery) -> None:
    every = filled.identities()
    assert len(every) == 2
    assert filled.browse.identities(limit=1) == every[:1]
    assert filled.browse.identities(above=every[0].id, limit=9) == every[1:]
    assert filled.browse.identities(above=every[1].id) == []
    assert [filled.browse.identity(one.id) for one in every] == every
    with pytest.raises(StorageError, match="no identity 77"):
        filled.browse.identity(77)


def test_the_best_picture_of_a_track(filled: Gallery) -> None:
    for track in filled.tracks(looks=0):
        seen = filled.observations(track.id)
        best = filled.browse.best([track.id])[track.id]
        assert best.quality * best.box[3] == max(s.quality * s.box[3] for s in seen)
        assert filled.browse.sighting(best.id) == best
        assert [t.id for t in filled.browse.tracks([track.id])] == [track.id]
    assert set(filled.browse.best([1, 2, 77])) == {1, 2}
    with pytest.raises(StorageError, match="no observation 77777"):
        filled.browse.sighting(77_777)


def test_doubts_are_the_weak_links_that_nobody_judged(gallery: Gallery) -> None:
    a, b, c, d = tracks_of(gallery, 4)
    gallery.save_identities({a: 0, b: 0, c: 0, d: 1}, {a: 5.0, b: 0.5, c: 2.0, d: 0.1})
    browse = gallery.browse
    assert [(x.track, x.evidence) for x in browse.doubts(9)] == [(b, 0.5), (c, 2.0), (a, 5.0)]
    assert [x.track for x in browse.doubts(1)] == [b]
    assert browse.doubtful() == 3
    gallery.people.confirm(b)
    assert [x.track for x in browse.doubts(9)] == [c, a]
    gallery.people.reject(c)
    assert [x.track for x in browse.doubts(9)] == [a]
    assert browse.doubtful() == 1


def test_somebody_else_at_work_is_named(gallery: Gallery) -> None:
    a, b = tracks_of(gallery, 2)
    gallery.save_identities({a: 0, b: 0}, {})
    gallery.by("ada").people.confirm(a)
    gallery.by("bob").people.reject(b)
    assert [e.actor for e in gallery.audit.entries()] == ["ada", "bob"]


def test_assign_and_withdraw_take_judgements_back(gallery: Gallery) -> None:
    a, b, c = tracks_of(gallery, 3)
    gallery.save_identities({a: 0, b: 0, c: 1}, {})
    people = gallery.people
    people.reject(b)
    people.assign(b, 1)
    assert held(gallery) == {a: 1, b: 1, c: 2}
    gallery.save_identities({a: "x", b: "y", c: "z"}, {})
    assert held(gallery)[b] == 1, "an assignment is a judgement"
    people.confirm(c)
    people.withdraw(c)
    with pytest.raises(StorageError, match="nothing was confirmed"):
        people.withdraw(c)
    people.assign(c, 1)
    assert (held(gallery)[b], held(gallery)[c]) == (1, 1)
    for track, identity in ((77, 1), (a, 2), (a, 99)):
        with pytest.raises(StorageError):
            people.assign(track, identity)
    assert gallery.check() == []
