"""How `nearfar watch` holds up: four rendered cameras over RTSP, for minutes or for days.

    python benchmarks/soak.py keep-up CLIPS              # delay, share of frames, identities
    python benchmarks/soak.py outages CLIPS --minutes 20 # one camera freezes and dies over and over
    python benchmarks/soak.py kills CLIPS --times 30     # SIGKILL at random moments
    python benchmarks/soak.py alerts CLIPS --person 3    # the watch list, far away
    python benchmarks/soak.py soak CLIPS --minutes 60 --csv curve.csv

CLIPS is a folder; the clips are rendered into it the first time (640 x 480, 10 frames a second,
the scene in letterbox). `--cameras 2` watches fewer, `--fps 3` looks at fewer frames a second,
`--input 640` gives the detector smaller pictures. Needs GStreamer's RTSP server, see `.ci/run`.

`keep-up` plays the scene once and sets the identities beside those that `nearfar process` finds on
the same clips and beside the truth: of all pairs of tracks that one side takes for one person, the
share that the other does too (F1 of the two).
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
import urllib.request
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[0] = str(ROOT)

import cv2  # noqa: E402
import numpy as np  # noqa: E402

from pipeline import process  # noqa: E402
from pipeline.engine import cut_out  # noqa: E402
from pipeline.score import Labelled, who_is  # noqa: E402
from pipeline.sources import open_source  # noqa: E402
from samples import Scene, read_truth, render  # noqa: E402
from storage import BoxRow, Gallery  # noqa: E402
from tests.live.clips import access_units, write_units  # noqa: E402
from tests.live.places import RtspServer, free_port, rtsp_server  # noqa: E402
from tests.live.receiver import is_signed, receiver  # noqa: E402
from tests.pipeline.conftest import encode  # noqa: E402
from tracker import overlap  # noqa: E402

FPS = 10
SIZE = (480, 640)
MAIN = "from pipeline.cli import main; main()"
SMALL = (
    "import functools, pipeline.detect as d; load = d.Detector.load.__func__; "
    "d.Detector.load = classmethod(functools.partial(load, input_size={input})); "
)
Truth = dict[int, list[Labelled]]
Boxes = dict[str, list[BoxRow]]


def letterbox(image: np.ndarray) -> np.ndarray:
    """A picture in the middle of a grey one of `SIZE`."""
    scale = SIZE[1] / image.shape[1]
    small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    out = np.full((*SIZE, 3), 114, np.uint8)
    top = (SIZE[0] - len(small)) // 2
    out[top : top + len(small)] = small
    return out


def prepare(folder: Path) -> dict[str, Path]:
    """The clips for the server by camera; rendered if they are not there."""
    scene = Scene(cameras=4)
    videos = {name: folder / "scene" / f"{name}.mp4" for name in scene.cameras}
    if not (folder / "scene" / "site.yaml").exists():
        render(scene, folder / "scene")
    units = {}
    for name, video in videos.items():
        units[name] = folder / f"{name}.units"
        if not units[name].exists():
            images = [letterbox(f.image) for f in open_source(video, name).frames()]
            encode(folder / f"{name}.mp4", images)
            write_units(units[name], access_units(images, FPS))
    return units


def truth_of(folder: Path, camera: str, whole: bool = False) -> Truth:
    """True boxes of a clip, in pixels of the letterbox, or of the `whole` picture."""
    if whole:
        return {
            frame: [Labelled(b.identity, b.box, b.visibility) for b in boxes]
            for frame, boxes in read_truth(folder / "scene" / f"{camera}.txt").items()
        }
    video = open_source(folder / "scene" / f"{camera}.mp4", camera)
    height, width = next(video.frames()).image.shape[:2]
    scale = SIZE[1] / width
    top = (SIZE[0] - round(height * scale)) // 2
    return {
        frame: [
            Labelled(
                b.identity,
                (b.box[0] * scale, b.box[1] * scale + top, b.box[2] * scale, b.box[3] * scale),
                b.visibility,
            )
            for b in boxes
        ]
        for frame, boxes in read_truth(folder / "scene" / f"{camera}.txt").items()
    }


class Watched:
    """A running ``nearfar watch``."""

    def __init__(self, site: Path, gallery: Path, input_size: int | None = None) -> None:
        self.port = free_port()
        code = (SMALL.format(input=input_size) if input_size else "") + MAIN
        self.log = gallery.with_suffix(".log").open("a")
        self.process = subprocess.Popen(
            [sys.executable, "-c", code, "watch", str(site), "--gallery", str(gallery), "--json"]
            + ["--listen", f"127.0.0.1:{self.port}", "--device", "cpu"],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=self.log,
            stderr=self.log,
        )

    def status(self) -> dict[str, Any] | None:
        """What it answers; None while it does not."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/status", timeout=5) as got:
                return dict(json.load(got))
        except OSError:
            return None

    def cameras(self) -> dict[str, dict[str, Any]]:
        found = self.status()
        return {c["camera"]: c for c in found["cameras"]} if found else {}

    def all_live(self, seconds: float = 60) -> None:
        deadline = time.monotonic() + seconds
        while not (c := self.cameras()) or any(x["state"] != "live" for x in c.values()):
            if time.monotonic() > deadline:
                raise SystemExit(f"cameras do not come: {c}")
            time.sleep(0.2)

    def resources(self) -> dict[str, float]:
        """Threads, descriptors and memory in MB of the program, and memory of its decoders."""
        place = Path(f"/proc/{self.process.pid}")
        children = [
            int(word)
            for task in (place / "task").iterdir()
            for word in (task / "children").read_text().split()
        ]
        return {
            "threads": len(list((place / "task").iterdir())),
            "descriptors": len(list((place / "fd").iterdir())),
            "memory": resident(self.process.pid),
            "decoders": sum(resident(child) for child in children),
        }

    def end(self, number: int = signal.SIGTERM) -> float:
        """Ends it; how long that took."""
        began = time.monotonic()
        self.process.send_signal(number)
        self.process.wait()
        self.log.close()
        return time.monotonic() - began


def resident(process_id: int) -> float:
    """Memory of a process in MB."""
    with suppress(OSError):
        for line in Path(f"/proc/{process_id}/status").read_text().splitlines():
            if line.startswith("VmRSS"):
                return int(line.split()[1]) / 1024
    return 0.0


def write_site(path: Path, urls: Mapping[str, str], fps: float | None) -> Path:
    rate = f", fps: {fps:g}" if fps else ""
    lines = [f"  {name}: {{source: '{url}'{rate}}}" for name, url in urls.items()]
    path.write_text("\n".join(["cameras:", *lines]) + "\n")
    return path


def fresh(folder: Path, name: str) -> Path:
    """A place for a gallery where an earlier run left nothing."""
    for old in folder.glob(f"{name}.db*"):
        old.unlink()
    shutil.rmtree(folder / f"{name}.crops", ignore_errors=True)
    return folder / f"{name}.db"


@contextmanager
def running(options: argparse.Namespace) -> Iterator[tuple[Watched, dict[str, RtspServer], Path]]:
    """A watch of the cameras, each with a server of its own, and its fresh gallery."""
    units = dict(itertools.islice(prepare(options.clips).items(), options.cameras))
    gallery = fresh(options.clips, options.what)
    with served(units) as servers:
        urls = {name: server.url(name) for name, server in servers.items()}
        site = write_site(options.clips / f"{options.what}.yaml", urls, options.fps)
        one = Watched(site, gallery, options.input)
        try:
            yield one, servers, gallery
        finally:
            if one.process.poll() is None:
                one.end()


@contextmanager
def served(units: Mapping[str, Path]) -> Iterator[dict[str, RtspServer]]:
    """A server a camera."""
    with ExitStack() as stack:
        yield {n: stack.enter_context(rtsp_server(FPS, {n: u})) for n, u in units.items()}


def keep_up(options: argparse.Namespace) -> dict[str, Any]:
    """Plays the scene once."""
    seconds = Scene(cameras=4).duration
    with running(options) as (one, _, gallery):
        one.all_live()
        began, first = time.monotonic(), one.cameras()
        time.sleep(seconds - 3)
        cameras = one.cameras()
        took = time.monotonic() - began
        rate = (one.status() or {})["rate"]
        ended = one.end()
    facts: dict[str, Any] = {
        "cameras": {
            name: {
                "came": (c["frames"] - first[name]["frames"]) / took,
                "processed": (c["processed"] - first[name]["processed"]) / took,
                "delay_p50": c["delay_median"],
                "delay_p95": c["delay"],
            }
            for name, c in cameras.items()
        },
        "rate": rate,
        "seconds_to_end": round(ended, 2),
    }
    return facts | agreement(options, gallery)


def agreement(options: argparse.Namespace, gallery: Path) -> dict[str, Any]:
    """Identities of the live gallery beside those of `process` and the truth."""
    folder = options.clips
    with Gallery.open(gallery, read_only=True) as opened:
        live = {s.camera: opened.boxes(s.id) for s in opened.sessions()}
        identities = opened.info().identities
    file = fresh(folder, "process")
    videos = [f"{name}={folder / name}.mp4" for name in live]
    process(videos, file, folder / "process", device="cpu")
    with Gallery.open(file, read_only=True) as opened:
        whole = {s.camera: opened.boxes(s.id) for s in opened.sessions()}
        theirs = opened.info().identities
    truth = {name: truth_of(folder, name) for name in live}
    shift = {name: offset(live[name], truth[name]) for name in live}
    moved = {
        n: [BoxRow(r.frame + shift[n], r.identity, r.track, r.box, r.score) for r in rows]
        for n, rows in live.items()
    }
    by_file = {n: by_frame(rows) for n, rows in whole.items()}
    return {
        "identities": identities,
        "identities_of_process": theirs,
        "f1_with_process": round(pairwise(moved, by_file), 4),
        "f1_with_truth": round(pairwise(moved, truth), 4),
        "f1_of_process_with_truth": round(pairwise(whole, truth), 4),
    }


def by_frame(rows: list[BoxRow]) -> Truth:
    found: Truth = defaultdict(list)
    for row in rows:
        if row.identity is not None:
            found[row.frame].append(Labelled(row.identity, row.box))
    return found


def offset(rows: list[BoxRow], truth: Truth) -> int:
    """How many frames of a clip went by before the first that came."""
    some = rows[:: max(1, len(rows) // 200)]

    def fit(shift: int) -> float:
        total = 0.0
        for row in some:
            if boxes := truth.get(row.frame + shift):
                total += float(overlap(np.array([row.box]), np.array([b.box for b in boxes])).max())
        return total

    return max(range(40), key=fit)


def pairwise(found: Boxes, other: Mapping[str, Truth]) -> float:
    """F1 of the pairs of tracks of one person, over tracks that the other side knows."""
    person: dict[tuple[str, int], int] = {}
    votes: dict[tuple[str, int], Counter[int]] = defaultdict(Counter)
    for name, rows in found.items():
        for row in rows:
            who = who_is(other[name].get(row.frame, []), row.box)
            if who is not None and row.identity is not None:
                votes[name, row.track][who] += 1
                person[name, row.track] = row.identity
    other_person = {track: counts.most_common(1)[0][0] for track, counts in votes.items()}
    both = ours = theirs = 0
    for a, b in itertools.combinations(sorted(person), 2):
        same, told = person[a] == person[b], other_person[a] == other_person[b]
        both, ours, theirs = both + (same and told), ours + same, theirs + told
    return 2 * both / (ours + theirs) if ours + theirs else 1.0


def outages(options: argparse.Namespace) -> dict[str, Any]:
    """Freezes or kills the server of the last camera, and brings it back, over and over."""
    chance = random.Random(1)
    with running(options) as (one, servers, _):
        *others, broken = servers
        one.all_live()
        time.sleep(10)
        before = one.resources()
        stale: list[float] = []
        back: list[float] = []
        worst = 0.0
        deadline = time.monotonic() + 60 * options.minutes
        while time.monotonic() < deadline:
            freeze = chance.random() < 0.5
            server = servers[broken]
            server.freeze() if freeze else server.kill()
            began = time.monotonic()
            told: float | None = None
            while time.monotonic() - began < 8:
                cameras = one.cameras()
                worst = max([worst, *(cameras[n]["age"] for n in others)])
                if told is None and cameras[broken]["state"] != "live":
                    told = time.monotonic() - began
                time.sleep(0.1)
            stale.append(told if told is not None else float("inf"))
            server.thaw() if freeze else server.start()
            began = time.monotonic()
            while True:
                cameras = one.cameras()
                worst = max([worst, *(cameras[n]["age"] for n in others)])
                if cameras[broken]["state"] == "live" or time.monotonic() - began > 60:
                    break
                time.sleep(0.1)
            back.append(time.monotonic() - began)
            time.sleep(chance.uniform(11, 14))
        time.sleep(10)
        after = one.resources()
        others_again = {n: one.cameras()[n]["reconnects"] for n in others}
    return {
        "outages": len(stale),
        "stale_after_worst": max(stale),
        "back_after_median": float(np.median(back)),
        "back_after_worst": max(back),
        "oldest_frame_of_others": worst,
        "reconnects_of_others": others_again,
        "before": before,
        "after": after,
    }


def kills(options: argparse.Namespace) -> dict[str, Any]:
    """Kills the watch at random moments and looks at the gallery."""
    chance = random.Random(2)
    lost: list[float] = []
    with running(options) as (one, servers, gallery):
        site = options.clips / f"{options.what}.yaml"
        for _ in range(options.times):
            one.all_live()
            time.sleep(chance.uniform(1, 8))
            one.end(signal.SIGKILL)
            killed = time.time()
            with Gallery.open(gallery) as opened:
                wrong = opened.check()
                if wrong:
                    raise SystemExit(f"after a kill: {wrong}")
            lost.append(killed - last_commit(gallery))
            one = Watched(site, gallery, options.input)
        one.all_live()
        one.end()
        with Gallery.open(gallery) as opened:
            info, sound = opened.info(), not opened.check()
    return {
        "kills": options.times,
        "sound": sound,
        "seconds_lost_worst": max(lost),
        "seconds_lost_median": float(np.median(lost)),
        "observations": info.observations,
        "identities": info.identities,
        "servers": len(servers),
    }


def alerts(options: argparse.Namespace) -> dict[str, Any]:
    """One person of the scene on the watch list, by pictures of the near cameras; the far camera
    plays the scene (960 x 540, people of 40 px), and the webhook's receiver is down for the first
    minute."""
    folder, what = options.clips, options.what
    prepare(folder)
    clip = folder / "far-whole.units"
    if not clip.exists():
        images = (f.image for f in open_source(folder / "scene" / "far.mp4", "far").frames())
        write_units(clip, access_units(images, FPS))
    pictures = pictures_of(folder, options.person)
    gallery = fresh(folder, what)
    call = [sys.executable, "-c", MAIN, "watchlist", "add", "wanted", *map(str, pictures)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    subprocess.run([*call, "--gallery", str(gallery)], env=environment, check=True)
    port = free_port()
    with rtsp_server(FPS, {"far": clip}) as server:
        site = write_site(folder / f"{what}.yaml", {"far": server.url("far")}, options.fps)
        with site.open("a") as more:
            more.write(f"alerts: {{webhook: {{url: 'http://127.0.0.1:{port}/', secret: word}}}}\n")
        began = time.monotonic()
        one = Watched(site, gallery, options.input)
        one.all_live()
        time.sleep(max(Scene(cameras=4).duration - 3, began + 60 - time.monotonic()))
        with receiver(port) as got:
            deadline = time.monotonic() + 70
            while time.monotonic() < deadline and not settled(gallery):
                time.sleep(0.5)
        one.end()
    truth = truth_of(folder, "far", whole=True)
    with Gallery.open(gallery, read_only=True) as opened:
        raised = opened.watchlist.alerts()
        (session,) = opened.sessions()
        rows = opened.boxes(session.id)
        shift = offset(rows, truth)
        shown: dict[int, int | None] = {}
        length = Scene(cameras=4).frame_count
        for alert in raised:
            own = [row for row in rows if row.track == alert.track]
            seen = (who_is(truth.get((r.frame + shift) % length, []), r.box) for r in own)
            votes = Counter(who for who in seen if who is not None).most_common(1)
            shown[alert.id] = votes[0][0] if votes else None
    seen = sorted(f for f, b in truth.items() if any(x.identity == options.person for x in b))
    heights = [x.box[3] for b in truth.values() for x in b if x.identity == options.person]
    return {
        "person": options.person,
        "height_px": float(np.median(heights)) if heights else None,
        "visits": sum(b - a > 600 for a, b in itertools.pairwise([-1000, *seen])),
        "alerts": [
            {"shows": shown[a.id], "log_odds": a.log_odds, "least": a.least, "state": a.state,
             "attempts": a.attempts} for a in raised
        ],
        "messages": len(got.messages),
        "signed": all(is_signed(*message, b"word") for message in got.messages),
    }  # fmt: skip


def settled(gallery: Path) -> bool:
    """Whether no message waits."""
    with Gallery.open(gallery, read_only=True) as opened:
        return all(alert.state == "sent" for alert in opened.watchlist.alerts())


def pictures_of(folder: Path, person: int, number: int = 6) -> list[Path]:
    """Crops of a person from the near cameras, spread over its time there."""
    paths = []
    for camera in ("near", "near2"):
        truth = truth_of(folder, camera, whole=True)
        seen = {
            frame: box.box
            for frame, boxes in truth.items()
            for box in boxes
            if box.identity == person and box.visibility > 0.95
        }
        chosen = (
            {sorted(seen)[i] for i in np.linspace(0, len(seen) - 1, number).astype(int)}
            if (seen)
            else set()
        )
        for frame in open_source(folder / "scene" / f"{camera}.mp4", camera).frames():
            if frame.index in chosen:
                paths.append(folder / f"wanted-{camera}-{frame.index}.png")
                cv2.imwrite(str(paths[-1]), cut_out(frame.image, seen[frame.index]))
    return paths


def last_commit(gallery: Path) -> float:
    """When the frames of the camera that lags most were last stored, UTC in seconds."""
    connection = sqlite3.connect(gallery)
    try:
        newest = "SELECT max(updated) FROM session GROUP BY camera_id"
        return float(min(row[0] for row in connection.execute(newest)))
    finally:
        connection.close()


def soak(options: argparse.Namespace) -> dict[str, Any]:
    """Samples memory, threads, descriptors and the gallery's size once in ten seconds."""
    rows: list[dict[str, float]] = []
    with running(options) as (one, _, gallery):
        one.all_live()
        began = time.monotonic()
        while time.monotonic() - began < 60 * options.minutes:
            found = one.status() or {"rate": 0.0, "cameras": [], "gallery": None}
            size = sum(f.stat().st_size for f in gallery.parent.glob(f"{gallery.name}*"))
            delays = [c["delay"] for c in found["cameras"] if c["delay"] is not None]
            rows.append(
                {
                    "seconds": round(time.monotonic() - began, 1),
                    **one.resources(),
                    "rate": found["rate"],
                    "delay": max(delays, default=0.0),
                    "database_mb": size / 1e6,
                    "observations": (found["gallery"] or {}).get("observations", 0),
                }
            )
            time.sleep(10)
    if options.csv:
        head = ",".join(rows[0])
        lines = [",".join(f"{value:.6g}" for value in row.values()) for row in rows]
        options.csv.write_text("\n".join([head, *lines]) + "\n")
    late = rows[len(rows) // 3 :]
    hours = np.array([row["seconds"] for row in late]) / 3600
    slope = np.polyfit(hours, [row["memory"] for row in late], 1)[0] if len(late) > 2 else 0.0
    return {
        "samples": len(rows),
        "memory_mb_an_hour": float(slope),
        "first": rows[0],
        "last": rows[-1],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    verbs = {
        "keep-up": keep_up,
        "outages": outages,
        "kills": kills,
        "alerts": alerts,
        "soak": soak,
    }
    parser.add_argument("what", choices=verbs)
    parser.add_argument("clips", type=Path)
    parser.add_argument("--minutes", type=float, default=5)
    parser.add_argument("--times", type=int, default=30)
    parser.add_argument("--person", type=int, default=1, help="of the scene, from 1 to 12")
    parser.add_argument("--cameras", type=int, default=4, choices=range(2, 5))
    parser.add_argument("--fps", type=float)
    parser.add_argument("--input", type=int)
    parser.add_argument("--csv", type=Path)
    options = parser.parse_args()
    options.clips.mkdir(parents=True, exist_ok=True)
    print(json.dumps(verbs[options.what](options), indent=2))


if __name__ == "__main__":
    main()
