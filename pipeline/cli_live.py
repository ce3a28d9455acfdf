"""The verbs `watch`, `status` and `watchlist`: live cameras."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.live import Live

from .cli_options import DetectorOption, DeviceOption, EmbedderOption, PlaceOption
from .terminal import errors, one_line_errors, parse_box, say, stop_on_signal

if TYPE_CHECKING:
    from .live.watching import WatchHealth

LISTEN = "127.0.0.1:8320"

watchlist_app = typer.Typer(
    help="Who is looked for while cameras are watched.", no_args_is_help=True
)

JsonOption = Annotated[bool, typer.Option("--json", help="print JSON")]


def add_to(app: typer.Typer) -> None:
    """Adds the verbs to the command `nearfar`."""
    app.command()(watch)
    app.command()(status)
    app.add_typer(watchlist_app, name="watchlist")


def watch(
    site: Annotated[Path, typer.Argument(help="site file with cameras and their sources")],
    gallery: PlaceOption = "nearfar.db",
    detector: DetectorOption = None,
    embedder: EmbedderOption = None,
    device: DeviceOption = "auto",
    listen: Annotated[str, typer.Option(help="HOST:PORT for health over HTTP, or none")] = LISTEN,
    frames: Annotated[
        bool | None,
        typer.Option(help="show the newest frames there too; usual on this machine's own address"),
    ] = None,
    ray: Annotated[
        str | None, typer.Option(help="address of a Ray cluster whose nodes watch, or local")
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="print a JSON object a line: events, and status")
    ] = False,
) -> None:
    """Watch live cameras: link people as they appear, and alert of those on the watch list.

    Example: `nearfar watch site.yaml --gallery plaza.db`

    A site file for it:

    ```yaml
    cameras:
      gate: {source: "rtsp://viewer:${GATE_PASSWORD}@10.0.0.5/stream1"}
      yard: {source: "rtsp://10.0.0.6:554/live", transport: udp, fps: 5}
      desk: {source: 0}
    alerts:
      false_alarms_per_day: 1
      webhook: {url: "https://example.org/hook", secret: "${HOOK_SECRET}"}
    ```

    Over many machines (docs/scale.md):
    `nearfar watch site.yaml --gallery postgresql://nearfar@db/plaza --ray 10.0.0.2:6379`

    Ctrl-C or SIGTERM finishes what is in hand. SIGHUP, or an edited site file, adds, removes and
    changes cameras; the others go on. docs/live.md says what each state of a camera means.
    """
    with (
        one_line_errors(),
        stop_on_signal() as stop,
        _on_hangup() as reload,
        _view(as_json) as view,
    ):
        from .live.running import watch as run

        run(
            site,
            gallery,
            detector=detector,
            embedder=embedder,
            device=device,
            listen=None if listen == "none" else listen,
            frames=frames,
            ray=ray,
            tell=view.tell,
            show=view.show,
            stop=stop,
            reload=reload,
        )


def status(
    place: Annotated[str, typer.Argument(help="HOST:PORT where the watch listens")] = LISTEN,
    as_json: JsonOption = False,
) -> None:
    """Say how a running watch and its cameras are doing.

    Example: `nearfar status 127.0.0.1:8320`

    The exit status is 1 if it does not run, can't write its gallery, or no frames come in.
    """
    with one_line_errors():
        from .live.asking import ask

        facts = ask(place)
    if as_json:
        typer.echo(json.dumps(facts, indent=2))
    else:
        from rich.console import Console

        from .live.metrics import table

        Console(soft_wrap=True).print(table(facts["cameras"]))
        typer.echo(f"{facts['rate']:.1f} frames a second, {facts['alerts']} alerts")
        sent = facts["messages"]
        if sent["waiting"] or sent["given_up"]:
            typer.echo(f"{sent['waiting']} alerts wait to be sent, {sent['given_up']} given up")
        if facts["gallery"]:
            held = facts["gallery"]
            typer.echo(
                f"gallery: {held['identities']} identities, {held['observations']} observations, "
                f"{held['bytes'] / 1e6:.1f} MB"
            )
        for receiver, reason in sent["down"].items():
            say(f"{receiver} is down: {reason}")
        if facts["trouble"]:
            say(facts["trouble"])
    if not facts["ready"]:
        raise typer.Exit(1)


@watchlist_app.command("add")
def watchlist_add(
    name: Annotated[str, typer.Argument(help="what alerts call the person")],
    pictures: Annotated[list[Path], typer.Argument(help="crops of the person, or whole frames")],
    box: Annotated[str | None, typer.Option(help="x,y,w,h of the person in the frame")] = None,
    height: Annotated[
        float | None, typer.Option(help="the person's true height in px, if enlarged")
    ] = None,
    gallery: PlaceOption = "nearfar.db",
    embedder: Annotated[
        Path | None, typer.Option(help="embedder weights, the own ones if none")
    ] = None,
    device: DeviceOption = "auto",
) -> None:
    """Look for a person from now on; more pictures make alerts surer.

    Example: `nearfar watchlist add "lost child" child1.jpg child2.jpg child3.jpg child4.jpg`

    A running watch learns of it within seconds. Pictures and vectors are kept in the gallery until
    `nearfar watchlist remove`.
    """
    with one_line_errors():
        from .live.wanted import add

        added = add(
            name,
            pictures,
            gallery,
            box=parse_box(box),
            height=height,
            embedder=embedder,
            device=device,
        )
    typer.echo(f"{name}: {added.pictures} pictures")
    if not added.can_alert:
        say(
            f"so few pictures reach {added.most:.1f} nats at most, an alert takes about "
            f"{added.least:.1f}: add more, or raise false_alarms_per_day"
        )


@watchlist_app.command("list")
def watchlist_list(gallery: PlaceOption = "nearfar.db", as_json: JsonOption = False) -> None:
    """Say who is looked for, and which alerts were raised.

    Example: `nearfar watchlist list --gallery plaza.db`
    """
    with one_line_errors():
        from storage import Gallery

        from .live.outbox import facts
        from .outputs import iso

        with Gallery.open(gallery, read_only=True) as opened:
            people, alerts = opened.watchlist.persons(), opened.watchlist.alerts()
    if as_json:
        rows = [{"name": p.name, "added": iso(p.added), "pictures": len(p.looks)} for p in people]
        sent = [{**facts(a), "state": a.state, "trouble": a.trouble} for a in alerts]
        typer.echo(json.dumps({"persons": rows, "alerts": sent}, indent=2))
        return
    for p in people:
        typer.echo(f"{p.name}: {len(p.looks)} pictures, since {iso(p.added)}")
    if not people:
        typer.echo("nobody is looked for")
    for a in alerts:
        trouble = f" ({a.trouble})" if a.trouble else ""
        typer.echo(
            f"{iso(a.time)} {a.wanted} on {a.camera}: {a.log_odds:.1f} nats, {a.state}{trouble}"
        )


@watchlist_app.command("remove")
def watchlist_remove(
    name: Annotated[str, typer.Argument(help="who is no longer looked for")],
    gallery: PlaceOption = "nearfar.db",
) -> None:
    """Look for a person no more; pictures and vectors go, alerts stay.

    Example: `nearfar watchlist remove "lost child"`
    """
    with one_line_errors():
        from storage import Gallery

        with Gallery.open(gallery) as opened:
            opened.watchlist.remove(name)
    typer.echo(f"{name} is no longer looked for")


@contextmanager
def _on_hangup() -> Iterator[Event]:
    """An event that SIGHUP sets."""
    reload = Event()
    before = signal.signal(signal.SIGHUP, lambda *_: reload.set())
    try:
        yield reload
    finally:
        signal.signal(signal.SIGHUP, before)


class _Lines:
    """JSON lines on standard output, or lines for people on standard error."""

    STATUS_SECONDS = 10.0

    def __init__(self, as_json: bool) -> None:
        self._json, self._told = as_json, 0.0

    def tell(self, event: dict[str, Any]) -> None:
        if self._json:
            typer.echo(json.dumps({"time": round(time.time(), 3), **event}))
        else:
            say(f"{time.strftime('%H:%M:%S')} {_sentence(event)}")

    def show(self, health: WatchHealth) -> None:
        if self._json and time.monotonic() - self._told > self.STATUS_SECONDS:
            from .live.metrics import plain

            self._told = time.monotonic()
            self.tell({"event": "status", **plain(health)})


class _Screen(_Lines):
    """A table that is kept up to date, with the lines above it."""

    def __init__(self, live: Live) -> None:
        super().__init__(as_json=False)
        self._live = live

    def show(self, health: WatchHealth) -> None:
        from .live.metrics import plain, table

        self._live.update(table(plain(health)["cameras"]), refresh=True)


@contextmanager
def _view(as_json: bool) -> Iterator[_Lines]:
    if as_json or not errors.is_terminal:
        yield _Lines(as_json)
        return
    with Live(console=errors, auto_refresh=False, vertical_overflow="visible") as live:
        yield _Screen(live)


def _sentence(event: dict[str, Any]) -> str:
    """An event in words."""
    kind = event["event"]
    if kind in ("camera", "node", "receiver"):
        where = f" (node {event['node']})" if kind == "camera" and "node" in event else ""
        reason = f": {event['reason']}" if event["reason"] else ""
        who = f"node {event['node']}" if kind == "node" else event[kind]
        return f"{who} is {event['state']}{where}{reason}"
    if kind == "alert":
        return (
            f"ALERT {event['wanted']} on {event['camera']} at {event['seen_at']} "
            f"({event['log_odds']:.1f} nats, track {event['track']})"
        )
    if kind == "start":
        return f"watching {event['cameras']} cameras"
    if kind == "site" and event["problem"] is None:
        return "the site file was read again"
    where = f", node {event['node']}" if "node" in event else ""
    return f"{kind}{where}: {event['problem']}"
