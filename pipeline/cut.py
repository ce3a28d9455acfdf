"""In which parts the tracks of a gallery are linked: windows of time, and zones of the site."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from storage import StoredTrack


@dataclass(frozen=True)
class Cut:
    """Which tracks are linked with each other before all are.

    Args:
        window: seconds; a track belongs to the window in which it begins, counted from 1970. With
            None there is one without end.
        zones: the zone of each camera; the cameras that it does not name are one more.
    """

    window: float | None = None
    zones: Mapping[str, str] = field(default_factory=dict)

    def parts(self, tracks: Iterable[StoredTrack], confirmed: Collection[int]) -> list[list[int]]:
        """The ids of the tracks of each part. Where there are several, all that were `confirmed`
        for somebody are one more, since what people said joins them whenever and wherever they
        were."""
        found: dict[tuple[int, str | None], list[int]] = defaultdict(list)
        for track in tracks:
            nth = int(track.first // self.window) if self.window else 0
            found[nth, self.zones.get(track.camera)].append(track.id)
        if len(found) < 2:
            return list(found.values())
        said = sorted(t for part in found.values() for t in part if t in confirmed)
        rest = ([t for t in part if t not in confirmed] for part in found.values())
        return [part for part in (*rest, said) if part]


WHOLE = Cut()
"""All at once."""
