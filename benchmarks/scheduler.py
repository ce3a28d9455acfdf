"""How far one `nearfar process --ray` carries: its scheduler, over workers that are simulated.

    python benchmarks/scheduler.py record STAGES.json
    python benchmarks/scheduler.py run STAGES.json [--cameras N] [--minutes N] [--workers N ...]
                                       [--jobs N] [--seed N] [--png FILE] [--json]

`record` takes the time of each stage on this machine: rendered recordings are cut, looked at,
followed, embedded and stored, piece by piece of half a minute on one core, and a local Ray cluster
is asked what a task costs that does nothing but hand over such results.

`run` lets the scheduler itself (`pipeline.cluster.spread.Spread`, not a model of it) hand out the
recordings of so many cameras. What workers, tracker and gallery do takes the recorded times of a
piece drawn by chance, on a clock that is simulated; what the scheduler does takes the time that it
takes. `--jobs` splits cameras and workers among so many calls.
"""

from __future__ import annotations

import argparse
import heapq
import itertools
import json
import random
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[0] = str(ROOT)

from benchmarks.scheduler_stages import FPS, PIECE_SECONDS, record  # noqa: E402
from pipeline import Settings  # noqa: E402
from pipeline.cluster.pieces import Piece  # noqa: E402
from pipeline.cluster.spread import Spread  # noqa: E402
from pipeline.cluster.work import Detected  # noqa: E402
from pipeline.engine import Tally, silent  # noqa: E402
from pipeline.patience import Patience  # noqa: E402
from pipeline.site import Site  # noqa: E402

Facts = dict[str, Any]
WORKERS = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048]
BOX = SimpleNamespace(frame=0, box=(0.0, 0.0, 10.0, 30.0), level=1)
"""An observation of which an embedding is wanted."""


class Clock:
    """Simulated time of the calling process; `busy` is how much of it it was at work."""

    def __init__(self) -> None:
        self.now = self.busy = 0.0

    def spend(self, seconds: float) -> None:
        self.now += seconds
        self.busy += seconds


class SimulatedWorkers:
    """Takes tasks in order as `pipeline.cluster.ray.Workers` does, and lets their time pass.

    A task is a number; its end is known when it is asked for, since the longest free worker
    takes it.
    """

    def __init__(self, count: int, stages: Facts, clock: Clock, chance: random.Random) -> None:
        self._count, self._stages, self._clock, self._chance = count, stages, clock, chance
        self._free = [0.0] * count
        self._numbers = itertools.count()
        self._ends: list[tuple[float, int]] = []
        self._results: dict[int, Any] = {}
        self._mark = time.thread_time()

    @property
    def count(self) -> int:
        self._clock.spend(self._stages["ray"]["count"])
        return self._count

    def cut(self, recording: SimpleNamespace, *_: Any) -> int:
        pieces = [Piece(i) for i in range(recording.pieces)]
        return self._begin(self._stages["cut"] * len(pieces), pieces)

    def detect(self, *_: Any) -> int:
        piece = self._chance.choice(self._stages["pieces"])
        return self._begin(piece["detect"], Detected([piece], 0))

    def embed(self, *arguments: Any) -> int:
        wanted = arguments[3]
        seconds = self._chance.choice(self._stages["pieces"])["embed"]
        return self._begin(seconds, [(None, b"")] * len(wanted))

    def ready(self, tasks: Sequence[int], seconds: float) -> list[int]:
        """The first to end, or none within so many seconds."""
        self._clock.spend(time.thread_time() - self._mark)
        self._clock.spend(self._stages["ray"]["wait"] * len(tasks))
        done = []
        if self._ends and self._ends[0][0] <= self._clock.now + seconds:
            end, task = heapq.heappop(self._ends)
            self._clock.now = max(self._clock.now, end)
            done = [task]
        else:
            self._clock.now += seconds
        self._mark = time.thread_time()
        return done

    def result(self, task: int) -> Any:
        self._clock.spend(self._stages["ray"]["fetch"])
        return self._results.pop(task)

    def cancel(self, tasks: Sequence[int]) -> None:
        """Nothing is left at the end of a job."""
        assert not tasks

    def _begin(self, seconds: float, result: Any) -> int:
        self._clock.spend(self._stages["ray"]["submit"])
        start = max(self._clock.now, heapq.heappop(self._free))
        end = start + self._stages["ray"]["worker"] + seconds
        heapq.heappush(self._free, end)
        task = next(self._numbers)
        self._results[task] = result
        heapq.heappush(self._ends, (end, task))
        return task


class SimulatedRun:
    """A recording whose tracker and gallery take recorded times; see `pipeline.runs.FileRun`."""

    def __init__(self, recording: SimpleNamespace, clock: Clock) -> None:
        self.camera, self.source, self._clock = recording.camera, recording, clock
        self.session = SimpleNamespace(checkpoint=None)
        self.position = self.lost = self.boxes = 0
        self.failure, self.done = None, False
        self._piece: Facts = {}

    def follow(self, piece: Facts) -> list[tuple[int, SimpleNamespace]]:
        self._piece = piece
        self.position += 1
        self._clock.spend(piece["follow"])
        return [(0, BOX)] * piece["embeddings"]

    def keep(self, *_: Any) -> None:
        pass

    def checkpoint(self) -> str:
        return ""

    def drop(self) -> None:
        pass

    def commit(self, _gallery: Any, state: str, *_: Any, **__: Any) -> None:
        self._clock.spend(self._piece["store"] if state == "running" else 0.0)


def job(cameras: int, minutes: float, workers: int, stages: Facts, seed: int) -> Facts:
    """One call over the recordings of so many cameras, simulated.

    Returns:
        ``seconds`` that it takes, and the share of it that the calling process is ``busy``.
    """
    clock = Clock()
    engine: Any = SimpleNamespace(
        site=Site(),
        gallery=None,
        settings=Settings(),
        tally=Tally(),
        begin=lambda recording: SimulatedRun(recording, clock),
    )
    pieces = max(1, round(60 * minutes / PIECE_SECONDS))
    recordings: Any = [
        SimpleNamespace(camera=str(i), pieces=pieces, lost=0, count=pieces) for i in range(cameras)
    ]
    simulated: Any = SimulatedWorkers(workers, stages, clock, random.Random(seed))
    runs = Spread(simulated, engine, Patience(1.0, silent, None)).run(recordings)
    assert all(run.done and run.position == pieces for run in runs)
    return {"seconds": clock.now, "busy": clock.busy / clock.now}


def curve(asked: argparse.Namespace, stages: Facts) -> list[Facts]:
    """A row for each number of workers."""
    own = sum(p["detect"] + p["embed"] for p in stages["pieces"]) / len(stages["pieces"])
    own += stages["cut"] + 2 * stages["ray"]["worker"]
    rows = []
    for workers in asked.workers:
        jobs = min(asked.jobs, workers)
        cameras = -(-asked.cameras // jobs)
        found = job(cameras, asked.minutes, workers // jobs, stages, asked.seed)
        speed = cameras * jobs * 60 * asked.minutes / found["seconds"]
        rows.append(
            {
                "workers": workers,
                "cameras in real time": speed,
                "of what the workers could do": speed * own / PIECE_SECONDS / workers,
                "calling process busy": found["busy"],
            }
        )
    return rows


def draw(rows: Sequence[Facts], asked: argparse.Namespace) -> None:
    """Cameras in real time and the caller's load by workers, as a small PNG."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 3.4), layout="constrained")
    workers = [row["workers"] for row in rows]
    left, right = figure.subplots(1, 2)
    first = rows[0]["cameras in real time"] / workers[0]
    left.loglog(workers, [first * n for n in workers], "--", color="#999999", label="ideal")
    left.loglog(workers, [row["cameras in real time"] for row in rows], "o-", color="#345995")
    left.set_ylabel(f"cameras in real time ({FPS} frames/s)")
    left.legend()
    right.semilogx(workers, [row["calling process busy"] for row in rows], "o-", color="#a23b3b")
    right.set_ylabel("calling process busy")
    right.set_ylim(0, 1.05)
    for place in (left, right):
        place.set_xlabel("workers of one core")
        place.grid(alpha=0.3)
    figure.savefig(asked.png, dpi=80)


def main() -> None:
    """Reads the command line and prints what was found."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("what", choices=("record", "run"))
    parser.add_argument("stages", type=Path, metavar="STAGES.json")
    parser.add_argument("--cameras", type=int, default=2000, metavar="N")
    parser.add_argument("--minutes", type=float, default=10.0, help="that each has recorded")
    parser.add_argument("--workers", type=int, nargs="+", metavar="N", default=WORKERS)
    parser.add_argument("--jobs", type=int, default=1, metavar="N")
    parser.add_argument("--seed", type=int, default=1, metavar="N")
    parser.add_argument("--png", type=Path, metavar="FILE", help="draw the curve")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    asked = parser.parse_args()
    if asked.what == "record":
        asked.stages.write_text(json.dumps(record(), indent=1) + "\n")
        return
    rows = curve(asked, json.loads(asked.stages.read_text()))
    if asked.png:
        draw(rows, asked)
    print(json.dumps(rows, indent=2) if asked.json else table(rows))


def table(rows: Sequence[Facts]) -> str:
    """The rows in Markdown."""
    form: dict[str, Callable[[float], str]] = {
        "workers": lambda n: f"{n:,}",
        "cameras in real time": lambda n: f"{n:,.1f}",
    }
    lines = ["| " + " | ".join(rows[0]) + " |", "|---" * len(rows[0]) + "|"]
    for row in rows:
        cells = [form.get(name, lambda n: f"{n:.2f}")(value) for name, value in row.items()]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
