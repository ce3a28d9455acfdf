"""Who walks where and when: passages of people through the places, on one clock."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .errors import SamplesError
from .gait import walking_speed
from .people import Person
from .setpaint import Occluder
from .stage import Stage

RATE = 10.0
"""Steps a second at which passages are planned."""

WELL_SEEN = 24
"""Steps in a row that a person must be seen whole in each place."""

LONGEST = 18.0
"""Most seconds of one walk through a place that is neither a person's first nor last."""

FIRST_LEAVE = 3.5
"""Seconds at which the first people leave a far place in which the scene finds them."""

TRAVEL = 2.0
"""Least seconds between leaving one place and entering the next."""


@dataclass(frozen=True)
class Passage:
    """One walk through a place: path (n, 2) in metres at RATE steps a second from `start`."""

    identity: int
    camera: str
    start: float
    path: np.ndarray
    speed: float

    @property
    def end(self) -> float:
        """Seconds at which the walk is over."""
        return self.start + (len(self.path) - 1) / RATE

    def at(self, time: float) -> tuple[float, float, float] | None:
        """x, y in metres and heading at `time`; None before and after the walk."""
        step = (time - self.start) * RATE
        if step < 0 or step > len(self.path) - 1:
            return None
        i = min(int(step), len(self.path) - 2)
        a, b = self.path[i], self.path[i + 1]
        x, y = a + (step - i) * (b - a)
        low, high = self.path[max(i - 2, 0)], self.path[min(i + 3, len(self.path) - 1)]
        return float(x), float(y), float(np.arctan2(high[0] - low[0], high[1] - low[1]))


def _walked(points: list[tuple[float, float]], speed: float) -> np.ndarray:
    """Steps of equal length along a polyline with rounded corners."""
    line = np.asarray(points, float)
    for _ in range(3):
        a, b = line[:-1], line[1:]
        cut = np.stack([0.75 * a + 0.25 * b, 0.25 * a + 0.75 * b], 1).reshape(-1, 2)
        line = np.concatenate([line[:1], cut, line[-1:]])
    length = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(line, axis=0), axis=1))])
    at = np.arange(0, length[-1], speed / RATE)
    return np.stack([np.interp(at, length, line[:, i]) for i in (0, 1)], 1)


def _edge(stage: Stage, y: float, sign: float) -> float:
    """x just outside the picture at the side `sign`."""
    c = stage.camera
    angle = np.arctan(c.width / 2 / c.focal) * sign + c.yaw
    return float(np.tan(angle) * (y + 0.3)) + sign * (0.8 if stage.kind == "near" else 1.0)


def _route(stage: Stage, rng: np.random.Generator, speed: float) -> np.ndarray:
    low, high = stage.lanes[int(rng.integers(len(stage.lanes)))]
    y0, y1 = rng.uniform(low, high, 2)
    sign = float(rng.choice([-1.0, 1.0]))
    if stage.kind == "near" and rng.random() < 0.45:
        points = [
            (_edge(stage, high, sign), high),
            (sign * float(rng.uniform(0.9, 1.5)), high - 0.1),
            (sign * float(rng.uniform(0.0, 0.5)), float(rng.uniform(4.7, 5.1))),
            (-sign * 0.9, 2.9),
            (-sign * 2.6, 1.8),
        ]
        return _walked(points if rng.random() < 0.5 else points[::-1], speed)
    if stage.kind == "middle" and rng.random() < 0.5:
        y1 = float(rng.uniform(*stage.lanes[0 if low > 12 else 1]))
        cross = [(sign * rng.uniform(0.5, 1.1), y0), (-sign * rng.uniform(0.5, 1.1), y1)]
        points = [(_edge(stage, y0, sign), y0), *cross, (_edge(stage, y1, -sign), y1)]
        return _walked(points, speed)
    if not stage.doors:
        middle = float(rng.normal(0, 0.1)), float(rng.uniform(low, high))
        points = [(_edge(stage, y0, sign), y0), middle, (_edge(stage, y1, -sign), y1)]
        return _walked(points, speed)
    doors = list(stage.doors)
    x, y = doors.pop(int(rng.integers(len(doors))))
    aside = float(rng.choice([-2.6, 2.6]))
    leave = [(x + aside, y + 1.3), (x, y + 1.0), (x, y - 1.2)]
    if rng.random() < 0.4:
        near = [d for d in doors if abs(d[0] - x) < 13.0]
        x2, y2 = near[int(rng.integers(len(near)))]
        other = [(x2, y2 - 1.2), (x2, y2 + 1.0), (x2 + aside, y2 + 1.3)]
        bend = [(x + 0.25 * (x2 - x), y0), (x + 0.75 * (x2 - x), y1)]
        points = leave + bend + other
    else:
        out = sign if abs(x) < 6.0 else float(np.sign(x))
        far_side = _edge(stage, y1, out)
        points = [*leave, (x + 0.3 * (far_side - x), y0), (far_side, y1)]
    return _walked(points[::-1] if rng.random() < 0.5 else points, speed)


class _Plan:
    """Passages of one place with rough boxes, to keep people apart and in sight."""

    def __init__(self, stage: Stage, duration: float) -> None:
        self.stage, self.steps = stage, round(duration * RATE)
        self.passages: list[Passage] = []
        self.tracks: list[tuple[int, np.ndarray, np.ndarray, np.ndarray]] = []
        self.solid = [o for o in stage.occluders if o.alpha.shape[0] > 12]

    def track(self, passage: Passage, height: float) -> tuple[int, np.ndarray, np.ndarray]:
        """First step, boxes x0 y0 x1 y1 (n, 4) and depths (n,)."""
        feet = np.concatenate([passage.path, np.zeros((len(passage.path), 1))], 1)
        foot, depth = self.stage.camera.project(feet)
        head, _ = self.stage.camera.project(feet + np.array([0, 0, height]))
        half = 0.21 * (foot[:, 1] - head[:, 1])
        boxes = np.stack([foot[:, 0] - half, head[:, 1], foot[:, 0] + half, foot[:, 1]], 1)
        return round(passage.start * RATE), boxes, depth

    def _behind(self, boxes: np.ndarray, depth: np.ndarray, occluder: Occluder) -> np.ndarray:
        h, w = occluder.alpha.shape
        columns = np.stack([boxes[:, 0], boxes[:, 2]], 1) - occluder.left
        rows = np.stack([boxes[:, 1], boxes[:, 3]], 1) - occluder.top
        hidden = np.zeros(len(boxes))
        touch = (depth > occluder.depth) & (columns[:, 1] > 0) & (columns[:, 0] < w)
        touch &= (rows[:, 1] > 0) & (rows[:, 0] < h)
        for i in np.flatnonzero(touch):
            (x0, x1), (y0, y1) = columns[i].astype(int), rows[i].astype(int)
            part = occluder.alpha[max(y0, 0) : max(y1, 1), max(x0, 0) : max(x1, 1)]
            hidden[i] = part.sum() / max((x1 - x0) * (y1 - y0), 1)
        return hidden

    def seen(self, start: int, boxes: np.ndarray, depth: np.ndarray) -> np.ndarray:
        """Steps at which the person is whole in the picture and not behind anything."""
        c = self.stage.camera
        inside = (boxes[:, 0] > 1) & (boxes[:, 2] < c.width - 1)
        inside &= (boxes[:, 1] > 0) & (boxes[:, 3] < c.height)
        steps = start + np.arange(len(boxes))
        free = inside & (steps >= 0) & (steps < self.steps)
        for occluder in self.solid:
            free &= self._behind(boxes, depth, occluder) < 0.12
        return free

    def clear_of(
        self, start: int, boxes: np.ndarray, depth: np.ndarray, free: np.ndarray, skip: int = -1
    ) -> np.ndarray:
        """`free` without the steps at which a nearer person stands in front."""
        free = free.copy()
        for number, (other_start, other, other_depth, _) in enumerate(self.tracks):
            if number == skip:
                continue
            a, b = max(start, other_start), min(start + len(boxes), other_start + len(other))
            if a >= b:
                continue
            mine, theirs = slice(a - start, b - start), slice(a - other_start, b - other_start)
            p, q = boxes[mine], other[theirs]
            wide = np.minimum(p[:, 2], q[:, 2]) - np.maximum(p[:, 0], q[:, 0])
            front = other_depth[theirs] < depth[mine]
            free[mine] &= ~((wide > 0.2 * (p[:, 2] - p[:, 0])) & front)
        return free

    def fits(self, passage: Passage, height: float) -> bool:
        """Whether the passage keeps off other people and everyone stays well seen."""
        for other in self.passages:
            shift = round((passage.start - other.start) * RATE)
            a, b = max(0, -shift), min(len(passage.path), len(other.path) - shift)
            if a < b:
                apart = passage.path[a:b] - other.path[a + shift : b + shift]
                if float(np.linalg.norm(apart, axis=1).min()) < 0.75:
                    return False
        start, boxes, depth = self.track(passage, height)
        free = self.seen(start, boxes, depth)
        if longest(self.clear_of(start, boxes, depth, free)) < WELL_SEEN:
            return False
        self.tracks.append((start, boxes, depth, free))
        end = start + len(boxes)
        for number, track in enumerate(self.tracks[:-1]):
            if track[0] > end or track[0] + len(track[1]) < start:
                continue
            if longest(self.clear_of(*track, skip=number)) < WELL_SEEN:
                self.tracks.pop()
                return False
        return True

    def forget_last(self) -> None:
        """Take the latest passage back."""
        self.passages.pop()
        self.tracks.pop()


def longest(flags: np.ndarray) -> int:
    """Length of the longest run of true values."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], flags.astype(int), [0]])))
    return int((edges[1::2] - edges[::2]).max()) if len(edges) else 0


def _order(stages: list[Stage], rng: np.random.Generator, number: int) -> list[Stage]:
    order = stages[::-1]
    if number % 3 == 1:
        order = stages[:]
    elif number % 6 == 2:
        shift = int(rng.integers(1, len(stages))) if len(stages) > 1 else 0
        order = order[shift:] + order[:shift]
    return order


def _walks(
    plans: dict[str, _Plan],
    person: Person,
    order: list[Stage],
    clock: float,
    duration: float,
    rng: np.random.Generator,
) -> bool:
    """Add one walk through each place of `order` from `clock` on; False if one finds no room."""
    speed = walking_speed(person)
    added: list[_Plan] = []
    for place, stage in enumerate(order):
        plan = plans[stage.name]
        for attempt in range(40):
            path = _route(stage, rng, speed)
            start = clock + round(rng.uniform(0, 0.6 + 0.12 * attempt), 1)
            if place == 0 and stage.kind == "far":
                start += FIRST_LEAVE - (len(path) - 1) / RATE
            passage = Passage(person.identity, stage.name, start, path, speed)
            late = passage.end > duration and place + 1 < len(order)
            inner = 0 < place < len(order) - 1 or stage.kind != "far"
            if late or (inner and len(path) > LONGEST * RATE):
                continue
            if plan.fits(passage, person.height):
                plan.passages.append(passage)
                added.append(plan)
                clock = passage.end + TRAVEL + 0.2
                break
        else:
            for plan in added:
                plan.forget_last()
            return False
    return True


def _attempt(
    stages: list[Stage], people: list[Person], duration: float, rng: np.random.Generator
) -> list[Passage] | None:
    plans = {stage.name: _Plan(stage, duration) for stage in stages}
    again = set(rng.permutation(len(people))[: len(people) // 3].tolist())
    spread = max(14.0, duration - 12.0 * len(stages))
    for number, person in enumerate(people):
        order = _order(stages, rng, number)
        share = ((number * 5) % len(people)) / len(people)
        for retry in range(6):
            if retry:
                share = float(rng.random())
            clock = spread * share - 0.5
            if number in again and _walks(plans, person, [*order, stages[0]], clock, duration, rng):
                break
            if _walks(plans, person, order, clock, duration, rng):
                break
        else:
            return None
    return [passage for plan in plans.values() for passage in plan.passages]


def plan_passages(
    stages: list[Stage], people: list[Person], seed: int
) -> tuple[float, list[Passage]]:
    """The scene's length in seconds and all passages; everyone is well seen in every place."""
    base = 11.5 * len(stages) + 1.5 + max(0, len(people) - 12) * 2.0
    for attempt in range(120):
        rng = np.random.default_rng([seed, 303, attempt])
        duration = float(round(base * (1 + 0.03 * (attempt // 3))))
        passages = _attempt(stages, people, duration, rng)
        if passages is not None:
            return duration, passages
    raise SamplesError(
        f"{len(people)} people find no way past {len(stages)} cameras with seed {seed}; "
        "give fewer people or another seed"
    )
