"""How `nearfar watch` holds up: four rendered cameras over RTSP, for minutes or for days.

    python benchmarks/soak.py keep-up CLIPS              # delay, share of frames, identities
    python benchmarks/soak.py outages CLIPS --times 50   # one camera freezes and dies over and over
    python benchmarks/soak.py kills CLIPS --times 30     # SIGKILL at random moments
    python benchmarks/soak.py alerts CLIPS --person 3    # the watch list, far away
    python benchmarks/soak.py soak CLIPS --minutes 60 --keep 10 --csv curve.csv --png curve.png

CLIPS is a folder; the clips are rendered into it the first time (640 x 480, 10 frames a second,
the scene in letterbox). `--cameras 2` watches fewer, `--fps 3` looks at fewer frames a second,
`--input 640` gives the detector smaller pictures, `--tracks 100` keeps so many to be linked (and
soon shows whether memory still grows when there are no more of them). `--keep 10` keeps what was
seen for ten minutes (`nearfar gallery keep` and, each minute, `purge`), so that neither database
nor memory should grow from then on; slopes are of the time after `--warm` minutes, a third of all
if not said. Needs GStreamer's RTSP server, see `.ci/run`.

`keep-up` plays the scene once and sets the identities beside those that `nearfar process` finds on
the same clips and beside the truth: of all pairs of tracks that one side takes for one person, the
share that the other does too (F1 of the two).
"""

from __future__ import annotations

import argparse
import itertools
import json
import random
import signal
import sqlite3
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path[0] = str(ROOT)

from benchmarks.soak_curve import Row, draw, slopes, write_csv  # noqa: E402
from benchmarks.soak_pairs import by_frame, offset, pairwise  # noqa: E402
from benchmarks.soak_scene import (  # noqa: E402
    FPS,
    SCENE,
    far_whole,
    pictures_of,
    truth_of,
)
from benchmarks.soak_watch import Watched, command, fresh, kept, running, write_site  # noqa: E402
from pipeline import process  # noqa: E402
from pipeline.score import who_is  # noqa: E402
from storage import BoxRow, Gallery  # noqa: E402
from tests.live.places import free_port, rtsp_server  # noqa: E402
from tests.live.receiver import is_signed, receiver  # noqa: E402


def keep_up(options: argparse.Namespace) -> dict[str, Any]:
    """Plays the scene once."""
    seconds = SCENE.duration
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
        live = {s.camera: thinned(opened.boxes(s.id), options.fps) for s in opened.sessions()}
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


def thinned(rows: list[BoxRow], fps: float | None) -> list[BoxRow]:
    """Boxes by the frames of the clip, of which a watch that looks at fewer counts but those."""
    step = 1 if fps is None else round(FPS / fps)
    return [BoxRow(step * r.frame, r.identity, r.track, r.box, r.score) for r in rows]


def outages(options: argparse.Namespace) -> dict[str, Any]:
    """Freezes or kills the server of the last camera, and brings it back, over and over."""
    chance = random.Random(1)
    with running(options) as (one, servers, gallery), kept(gallery, options.keep):
        *others, broken = servers
        one.all_live()
        time.sleep(60 * (options.warm or 0.2))
        before = one.state()
        stale: list[float] = []
        back: list[float] = []
        worst = 0.0
        start = time.monotonic()
        while not over(options, time.monotonic() - start, len(stale)):
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
        took = time.monotonic() - start
        time.sleep(10)
        after = one.state()
        others_again = {n: one.cameras()[n]["reconnects"] for n in others}
    return {
        "outages": len(stale),
        "minutes": took / 60,
        "stale_after_worst": max(stale),
        "back_after_median": float(np.median(back)),
        "back_after_worst": max(back),
        "oldest_frame_of_others": worst,
        "reconnects_of_others": others_again,
        "before": before,
        "after": after,
    }


def over(options: argparse.Namespace, seconds: float, times: int) -> bool:
    """Whether there were as many as was asked for, or the time is over if nothing was."""
    return times >= options.times if options.times else seconds > 60 * options.minutes


def kills(options: argparse.Namespace) -> dict[str, Any]:
    """Kills the watch at random moments and looks at the gallery."""
    chance = random.Random(2)
    lost: list[float] = []
    with running(options) as (one, servers, gallery):
        site = options.clips / f"{options.what}.yaml"
        times = options.times or 30
        for _ in range(times):
            one.all_live()
            time.sleep(chance.uniform(1, 8))
            one.end(signal.SIGKILL)
            killed = time.time()
            with Gallery.open(gallery) as opened:
                wrong = opened.check()
                if wrong:
                    raise SystemExit(f"after a kill: {wrong}")
            lost.append(killed - last_commit(gallery))
            one = Watched(site, gallery, options)
        one.all_live()
        one.end()
        with Gallery.open(gallery) as opened:
            info, sound = opened.info(), not opened.check()
    return {
        "kills": times,
        "sound": sound,
        "seconds_lost_worst": max(lost),
        "seconds_lost_median": float(np.median(lost)),
        "observations": info.observations,
        "identities": info.identities,
        "servers": len(servers),
    }


def last_commit(gallery: Path) -> float:
    """When the frames of the camera that lags most were last stored, UTC in seconds."""
    connection = sqlite3.connect(gallery)
    try:
        newest = "SELECT max(updated) FROM session GROUP BY camera_id"
        return float(min(row[0] for row in connection.execute(newest)))
    finally:
        connection.close()


def alerts(options: argparse.Namespace) -> dict[str, Any]:
    """One person of the scene on the watch list, by pictures of the near cameras; the far camera
    plays the scene (960 x 540, people of 40 px), and the webhook's receiver is down for the first
    minute."""
    folder, what = options.clips, options.what
    clip, truth = far_whole(folder)
    pictures = pictures_of(folder, options.person)
    gallery = fresh(folder, what)
    command("watchlist", "add", "wanted", *map(str, pictures), "--gallery", str(gallery))
    port = free_port()
    with rtsp_server(FPS, {"far": clip}) as server:
        site = write_site(folder / f"{what}.yaml", {"far": server.url("far")}, options.fps)
        with site.open("a") as more:
            more.write(f"alerts: {{webhook: {{url: 'http://127.0.0.1:{port}/', secret: word}}}}\n")
        began = time.monotonic()
        one = Watched(site, gallery, options)
        one.all_live()
        time.sleep(max(SCENE.duration - 3, began + 60 - time.monotonic()))
        with receiver(port) as got:
            deadline = time.monotonic() + 70
            while time.monotonic() < deadline and not settled(gallery):
                time.sleep(0.5)
        one.end()
    with Gallery.open(gallery, read_only=True) as opened:
        raised = opened.watchlist.alerts()
        (session,) = opened.sessions()
        rows = opened.boxes(session.id)
        shift = offset(rows, truth)
        shown: dict[int, int | None] = {}
        length = SCENE.frame_count
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


def soak(options: argparse.Namespace) -> dict[str, Any]:
    """Samples its resources and the gallery's size once in ten seconds."""
    rows: list[Row] = []
    with running(options) as (one, _, gallery), kept(gallery, options.keep):
        one.all_live()
        began = time.monotonic()
        while time.monotonic() - began < 60 * options.minutes:
            state = one.state()
            found = one.status() or {"rate": 0.0, "cameras": [], "gallery": None}
            size = sum(f.stat().st_size for f in gallery.parent.glob(f"{gallery.name}*"))
            delays = [c["delay"] for c in found["cameras"] if c["delay"] is not None]
            counts = found["gallery"] or {}
            rows.append(
                {
                    "seconds": round(time.monotonic() - began, 1),
                    **state,
                    "rate": found["rate"],
                    "delay": max(delays, default=0.0),
                    "database_mb": size / 1e6,
                    "gallery_mb": counts.get("bytes", 0) / 1e6,
                    "observations": counts.get("observations", 0),
                }
            )
            if options.csv:
                write_csv(rows, options.csv)
    if options.png:
        draw(rows, options.png)
    return {
        "samples": len(rows),
        **slopes(rows, options.warm or options.minutes / 3),
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
    parser.add_argument("--times", type=int)
    parser.add_argument("--person", type=int, default=1, help="of the scene, from 1 to 12")
    parser.add_argument("--cameras", type=int, default=4, choices=range(2, 5))
    parser.add_argument("--fps", type=float)
    parser.add_argument("--input", type=int)
    parser.add_argument("--tracks", type=int)
    parser.add_argument("--keep", type=int, metavar="MINUTES")
    parser.add_argument("--warm", type=float, metavar="MINUTES")
    parser.add_argument("--csv", type=Path)
    parser.add_argument("--png", type=Path)
    options = parser.parse_args()
    options.clips.mkdir(parents=True, exist_ok=True)
    print(json.dumps(verbs[options.what](options), indent=2))


if __name__ == "__main__":
    main()
