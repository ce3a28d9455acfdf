"""What a person says of identities holds, whatever the machine finds later."""

from __future__ import annotations

import pytest

from storage import Gallery, StorageError

from .test_identities import held, tracks_of


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
    new = gallery.people.split(1, [b])
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
    assert gallery.people.confirm(a) == 1
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
    assert gallery.people.reject(b) == 1
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
