"""What a person says of identities holds, whatever the machine finds later."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from storage import Gallery, Overtaken, Said, StorageError

from .places import Place, ask
from .test_identities import held, tracks_of

LINKS = "SELECT track_id, identity_id, method, state, updated FROM identity_link ORDER BY 1, 2"


@pytest.fixture
def four(gallery: Gallery) -> list[int]:
    """Four tracks: two of identity 1, one each of 2 and 3."""
    a, b, c, d = tracks_of(gallery, 4)
    gallery.save_identities({a: 0, b: 0, c: 1, d: 2}, {})
    return [a, b, c, d]


def actions(gallery: Gallery) -> list[str]:
    return [entry.action for entry in gallery.audit.entries()]


def test_merge(gallery: Gallery, four: list[int]) -> None:
    a, b, c, d = four
    gallery.people.merge(2, [1, 3])
    assert held(gallery) == dict.fromkeys(four, 2)
    changes = [(c.kind, c.source, c.target, c.tracks) for c in gallery.people.history()]
    assert changes == [("merge", 1, 2, 2), ("merge", 3, 2, 1)]
    assert [c.source for c in gallery.people.history(3)] == [3]
    assert gallery.check() == []
    # a machine that thinks otherwise changes nothing
    gallery.save_identities({a: "x", b: "y", c: "z", d: None}, {})
    assert held(gallery) == dict.fromkeys(four, 2)
    assert [i.id for i in gallery.identities()] == [2]
    assert gallery.check() == []
    for into, others in ((2, [2]), (2, []), (2, [1]), (9, [2])):
        with pytest.raises(StorageError):
            gallery.people.merge(into, others)
    assert actions(gallery) == ["merge"]


def test_split(gallery: Gallery, four: list[int]) -> None:
    a, b, c, _ = four
    new = gallery.people.split(1, [b]).identity
    assert new == 4
    assert held(gallery) == {a: 1, b: new, c: 2, four[3]: 3}
    gallery.save_identities({a: "x", b: "x", c: "x"}, {})
    assert (held(gallery)[a], held(gallery)[b]) == (1, new)
    for tracks in ([a], [], [b], [77]):
        with pytest.raises(StorageError):
            gallery.people.split(1, tracks)
    assert gallery.check() == []
    assert actions(gallery) == ["split"]


def test_confirm(gallery: Gallery, four: list[int]) -> None:
    a, b, c, _ = four
    assert gallery.people.confirm(a).identity == 1
    gallery.save_identities({a: "x", c: "x", b: "y"}, {})
    assert held(gallery)[a] == held(gallery)[c] == 1, "the group takes the confirmed identity"
    gallery.save_identities({a: None}, {})
    assert held(gallery)[a] == 1
    with pytest.raises(StorageError, match="no track 77"):
        gallery.people.confirm(77)
    assert gallery.check() == []
    assert actions(gallery) == ["confirm"]


def test_reject(gallery: Gallery, four: list[int]) -> None:
    a, b, c, _ = four
    assert gallery.people.reject(b).identity == 1
    assert held(gallery)[b] is None
    gallery.save_identities({a: "x", b: "x"}, {})
    assert held(gallery)[a] == 1
    assert held(gallery)[b] is None
    gallery.save_identities({b: "y", c: "y"}, {})
    assert held(gallery)[b] == held(gallery)[c] == 2
    gallery.people.reject(a)
    assert [i.id for i in gallery.identities()] == [2, 3]
    with pytest.raises(StorageError, match="no identity"):
        gallery.people.reject(a)
    assert gallery.check() == []
    assert actions(gallery) == ["reject", "reject"]


def test_after_erasing_a_merged_person_its_tracks_are_gone(
    gallery: Gallery, four: list[int]
) -> None:
    gallery.people.merge(1, [2])
    gallery.life.erase(1, vacuum=False)
    assert held(gallery) == {four[3]: 3}
    assert gallery.check() == []


ACTS: dict[str, Callable[[Gallery], Said]] = {
    "confirm": lambda gallery: gallery.people.confirm(1),
    "withdraw": lambda gallery: gallery.people.withdraw(2),
    "reject": lambda gallery: gallery.people.reject(1),
    "reject the last": lambda gallery: gallery.people.reject(4),
    "assign": lambda gallery: gallery.people.assign(2, 3),
    "assign one of nobody": lambda gallery: gallery.people.assign(5, 3),
    "merge": lambda gallery: gallery.people.merge(1, [2, 3]),
    "split": lambda gallery: gallery.people.split(1, [2]),
}


@pytest.fixture
def five(gallery: Gallery) -> None:
    """The four and one of nobody; some things were said of them."""
    a, b, c, d, e = tracks_of(gallery, 5)
    gallery.save_identities({a: 0, b: 0, c: 1, d: 2}, {})
    gallery.people.confirm(b)
    gallery.people.assign(e, 3)
    gallery.people.reject(e)


@pytest.mark.parametrize("act", ACTS)
def test_what_is_undone_was_never_said(
    gallery: Gallery, place: Place, five: None, act: str
) -> None:
    before, who = ask(place, LINKS), held(gallery)
    said = ACTS[act](gallery)
    assert ask(place, LINKS) != before
    gallery.people.undo(said)
    assert ask(place, LINKS) == before
    assert held(gallery) == who
    assert gallery.check() == []
    assert actions(gallery)[-2:] == [act.split()[0], "undo"]
    with pytest.raises(Overtaken):
        gallery.people.undo(said)


@pytest.mark.parametrize("act", [name for name in ACTS if name != "withdraw"])
def test_what_has_changed_since_is_not_undone(
    gallery: Gallery, place: Place, five: None, act: str
) -> None:
    said = ACTS[act](gallery)
    track = max(t for t, _ in said.touched)
    if held(gallery)[track] is None:
        gallery.save_identities({track: "somebody"}, {})  # the machine came in between
    else:
        gallery.people.confirm(track)
    before, who = ask(place, LINKS), held(gallery)
    with pytest.raises(Overtaken, match=f"track {track} has changed since"):
        gallery.people.undo(said)
    assert (ask(place, LINKS), held(gallery)) == (before, who)


def test_what_is_erased_is_not_undone(gallery: Gallery, five: None) -> None:
    said = gallery.people.merge(1, [2])
    gallery.life.erase(1, vacuum=False)
    with pytest.raises(Overtaken):
        gallery.people.undo(said)
    assert gallery.check() == []


def test_numbers_that_ended_come_back_with_their_tracks(gallery: Gallery, four: list[int]) -> None:
    gallery.people.undo(gallery.people.merge(2, [1]))
    changes = [(c.kind, c.source, c.target, c.tracks) for c in gallery.people.history()]
    assert changes == [("merge", 1, 2, 2), ("split", 2, 1, 2)]
    gallery.people.undo(gallery.people.split(1, [four[0]]))
    assert gallery.people.split(1, [four[0]]).identity == 5, "4 was used"
