"""Identities keep their ids over new groupings, and no id is used twice."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storage import Gallery, ObservationRow, StorageError, TrackUpdate

from .places import Place, ask, new_place

N = 8


def tracks_of(gallery: Gallery, n: int = N) -> list[int]:
    session = gallery.begin_session("near", "near.mp4", "abc", 0.0, 10.0)
    row = ObservationRow(0, 0.0, (0, 0, 10, 20), 0.9, 1, 1.0)
    gallery.append(session.id, 1, 0, [TrackUpdate(k, [row]) for k in range(1, n + 1)])
    return [t.id for t in gallery.tracks()]


def held(gallery: Gallery) -> dict[int, int | None]:
    return {t.id: t.identity for t in gallery.tracks()}


HISTORY = "SELECT kind, from_id, to_id, tracks FROM identity_history ORDER BY id"


def test_merge_and_split_are_kept(gallery: Gallery, place: Place) -> None:
    a, b, c, d = tracks_of(gallery, 4)
    first = gallery.save_identities({a: "p", b: "p", c: "q", d: None}, {a: 1.0, c: 2.0})
    assert first == {"p": 1, "q": 2}
    assert ask(place, HISTORY) == []

    merged = gallery.save_identities({a: 0, b: 0, c: 0, d: 0}, {})
    assert merged == {0: 1}
    assert ask(place, HISTORY) == [("merge", 2, 1, 1)]

    split = gallery.save_identities({a: "x", b: "x", c: "y", d: "y"}, {})
    assert split == {"x": 1, "y": 3}
    assert ask(place, HISTORY)[1:] == [("split", 1, 3, 2)]

    assert gallery.save_identities({a: None, b: None}, {}) == {}
    assert ask(place, HISTORY)[2:] == [("merge", 1, None, 2)]
    assert held(gallery) == {a: None, b: None, c: 3, d: 3}
    assert ask(place, "SELECT id FROM identity WHERE ended IS NULL") == [(3,)]
    assert [i.id for i in gallery.identities()] == [3]
    assert gallery.check() == []


def test_an_id_is_never_used_again(gallery: Gallery, place: Place) -> None:
    a, b = tracks_of(gallery, 2)
    seen = set()
    for _ in range(3):
        ids = gallery.save_identities({a: "a", b: "b"}, {})
        assert seen.isdisjoint(ids.values())
        seen |= set(ids.values())
        gallery.save_identities({a: None, b: None}, {})
    gallery.close()
    ask(
        place,
        "DELETE FROM identity_link",
        "DELETE FROM identity_history",
        "UPDATE track SET identity_id = NULL",
        "DELETE FROM identity",
    )
    with Gallery.open(place) as again:
        assert again.save_identities({a: "a"}, {}) == {"a": max(seen) + 1}


def test_of_two_groups_the_larger_share_keeps_the_id(gallery: Gallery) -> None:
    a, b, c, d, e = tracks_of(gallery, 5)
    old = gallery.save_identities({a: 0, b: 0, c: 0, d: 1, e: 1}, {})
    new = gallery.save_identities({a: "one", b: "two", c: "two", d: "one", e: "three"}, {})
    assert new["two"] == old[0]
    assert new["one"] == old[1]
    assert new["three"] not in old.values()


def test_tracks_not_named_keep_their_identity(gallery: Gallery) -> None:
    a, b, c = tracks_of(gallery, 3)
    gallery.save_identities({a: 0, b: 0}, {})
    gallery.save_identities({c: 5}, {})
    assert held(gallery) == {a: 1, b: 1, c: 2}
    gallery.save_identities({b: 1, c: 1}, {})
    assert held(gallery) == {a: 1, b: 1, c: 1}


def test_evidence_follows_the_last_grouping(gallery: Gallery, place: Place) -> None:
    a, b = tracks_of(gallery, 2)
    gallery.save_identities({a: 0, b: 0}, {a: 2.0, b: 3.0})
    gallery.save_identities({a: 0, b: 0}, {a: 2.5, b: 3.0})
    assert [t.evidence for t in gallery.tracks()] == [2.5, 3.0]
    gallery.save_identities({a: 0, b: 1}, {a: 1.0})
    assert [t.evidence for t in gallery.tracks()] == [1.0, 0.0]
    links = "SELECT track_id, identity_id, evidence, state FROM identity_link ORDER BY id"
    assert ask(place, links) == [
        (a, 1, 1.0, "current"),
        (b, 1, 3.0, "past"),
        (b, 2, 0.0, "current"),
    ]


def test_an_unknown_track_is_refused(gallery: Gallery) -> None:
    (a,) = tracks_of(gallery, 1)
    with pytest.raises(StorageError, match="no track 99"):
        gallery.save_identities({a: 0, 99: 0}, {})
    assert held(gallery) == {a: None}


groupings = st.lists(
    st.dictionaries(st.integers(1, N), st.one_of(st.none(), st.integers(0, 3))),
    min_size=1,
    max_size=5,
)


@settings(max_examples=15, deadline=None)
@given(groupings)
def test_any_grouping_is_what_it_says_and_stays(steps: list[dict[int, int | None]]) -> None:
    group_by("sqlite", steps)


@settings(max_examples=3, deadline=None)
@given(groupings)
def test_any_grouping_on_postgresql(steps: list[dict[int, int | None]]) -> None:
    group_by("postgres", steps)


def group_by(kind: str, steps: list[dict[int, int | None]]) -> None:
    """Saves one grouping after the other and looks at what became of it."""
    with (
        tempfile.TemporaryDirectory() as folder,
        new_place(kind, Path(folder)) as place,
        Gallery.open(place, create=True) as gallery,
    ):
        tracks_of(gallery)
        gone: set[int] = set()
        for step in steps:
            before = held(gallery)
            ids = gallery.save_identities(step, {t: t / 2 for t in step})
            after = held(gallery)
            expected = before | {t: None if k is None else ids[k] for t, k in step.items()}
            assert after == expected
            assert len(set(ids.values())) == len(ids)
            assert gone.isdisjoint(set(after.values()))
            gone |= set(before.values()) - set(after.values()) - {None}

            state = "SELECT * FROM identity_link", "SELECT * FROM identity", HISTORY
            once = [ask(place, query) for query in state]
            assert gallery.save_identities(step, {t: t / 2 for t in step}) == ids
            assert [ask(place, query) for query in state] == once
        assert gallery.check() == []
