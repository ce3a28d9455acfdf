"""What is read into memory before the first search is not read again by it."""

from __future__ import annotations

import numpy as np

from storage import Gallery, TrackUpdate

from .conftest import a_row


def test_the_first_search_finds_all_read(gallery: Gallery, rng: np.random.Generator) -> None:
    session = gallery.begin_session("gate", "gate.mp4", "content", 1000.0, 10.0)
    gallery.append(session.id, 4, 0, [TrackUpdate(n, [a_row(rng, n)]) for n in range(4)])
    newest = max(o.id for t in gallery.tracks(looks=0) for o in gallery.observations(t.id))
    assert gallery._searcher is not None
    assert gallery._searcher.mirror._last == 0
    gallery.warm()
    assert gallery._searcher.mirror._last == newest
    assert len(gallery.search(gallery.tracks()[0].embeddings)) == 4
