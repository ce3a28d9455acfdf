"""When a live frame was taken: the stream's clock, put on ours, always going forward."""

from __future__ import annotations

from dataclasses import dataclass

JUMP = 1.0
"""Seconds by which a clock may be off before it counts as having jumped."""
MOST_LATE = 10.0
"""Seconds that a frame may come late; a stream that lags more has wrong timestamps."""
WINDOW = 5.0
"""Seconds in which some frame is expected to come without being held up."""
SLEW = 0.0005
"""Seconds a frame by which times follow a clock that is set slowly."""
STEP = 0.001
"""Least seconds between two frames."""


@dataclass
class Timeline:
    """Times of capture of one stream.

    A frame that comes late, since the network held it up, is dated by its timestamp, held against
    the least delay that was seen. Timestamps that run back, stand still or lead are counted in
    `jumps`, and the frame's arrival counts. A system clock that jumps is counted in `clock_jumps`;
    where it jumps back, `epoch` grows, and times before and after are not to be compared.
    """

    jumps: int = 0
    clock_jumps: int = 0
    epoch: int = 0
    _delay: float | None = None
    _least: float = float("inf")
    _until: float = 0.0
    _stamp: float | None = None
    _base: float | None = None
    _last: float = float("-inf")

    def reconnect(self) -> None:
        """A new connection: its timestamps begin anew."""
        self._delay = self._stamp = None

    def time(self, arrival: float, stamp: float | None, base: float) -> float:
        """UTC in seconds of a frame.

        Args:
            arrival: when it came, on the monotonic clock. stamp: its timestamp in seconds.
            base: UTC minus the monotonic clock, now.
        """
        self._settle(base)
        assert self._base is not None
        taken = self._base + arrival - self._late(arrival, stamp)
        self._last = max(taken, self._last + STEP)
        return self._last

    def _settle(self, base: float) -> None:
        if self._base is None:
            self._base = base
        elif abs(base - self._base) > JUMP:
            self.clock_jumps += 1
            if base < self._base:
                self.epoch += 1
                self._last = float("-inf")
            self._base = base
        else:
            self._base += min(max(base - self._base, -SLEW), SLEW)

    def _late(self, arrival: float, stamp: float | None) -> float:
        """Seconds that a frame comes later than the quickest ones did."""
        if stamp is None:
            return 0.0
        delay = arrival - stamp
        before, self._stamp = self._stamp, stamp
        if self._delay is None or before is None:
            return self._anchor(arrival, delay)
        late = delay - self._delay
        if stamp <= before or late < -JUMP or late > MOST_LATE:
            self.jumps += 1
            return self._anchor(arrival, delay)
        self._delay += min(late, 0.0)
        self._least = min(self._least, max(0.0, late))
        if arrival > self._until:  # even the quickest are late: the stream's clock is slow
            self._delay += self._least
            self._least, self._until = float("inf"), arrival + WINDOW
        return max(0.0, late)

    def _anchor(self, arrival: float, delay: float) -> float:
        """Takes a frame for one that was not held up."""
        self._delay, self._least, self._until = delay, float("inf"), arrival + WINDOW
        return 0.0
