"""The commands `nearfar gallery erase`, `purge`, `keep`, `vacuum`, `hold`, `lift` and `holds`."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from .cli_options import HERE, Json, Place, PlaceOption, opened_gallery
from .terminal import one_line_errors, parse_time, print_json

if TYPE_CHECKING:
    from storage import Removed


def register(app: typer.Typer) -> None:
    """Adds the verbs to `nearfar gallery`."""
    for verb in (erase, purge, keep, vacuum, hold, lift, holds):
        app.command()(verb)


def erase(
    identity: Annotated[int, typer.Option(help="number of the person")],
    gallery: Place = HERE,
    vacuum: Annotated[
        bool, typer.Option(help="leave no trace in the files; once is enough after several")
    ] = True,
    as_json: Json = False,
) -> None:
    """Remove a person for good: tracks, boxes, vectors, pictures; the number stays taken.

    Example: `nearfar gallery erase nearfar.db --identity 7`

    Backups, and on PostgreSQL the server's write-ahead log, are not ours to reach.
    """
    with opened_gallery(gallery) as opened:
        removed = opened.life.erase(identity, vacuum=vacuum)
    _print_removed(removed, f"identity {identity} erased", as_json)


def purge(
    gallery: Place = HERE,
    older_than: Annotated[str | None, typer.Option(help="age, like 30d or 12h")] = None,
    before: Annotated[str | None, typer.Option(help="time, like 2026-01-31T08:00Z")] = None,
    keep: Annotated[str | None, typer.Option(help="size that may stay, like 50GB")] = None,
    camera: Annotated[str | None, typer.Option(help="this camera only")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="only count")] = False,
    as_json: Json = False,
) -> None:
    """Remove the oldest tracks, by age or down to a size; legal holds spare what they cover.

    Example: `nearfar gallery purge nearfar.db --camera gate --older-than 30d`

    Without an age, time or size it does as the rules of `nearfar gallery keep` say. Others can go
    on writing. The files get smaller with `nearfar gallery vacuum`.
    """
    with one_line_errors():
        from .errors import CallError
        from .units import parse_age, parse_size

        if older_than and before:
            raise CallError("give --older-than or --before, not both")
        age = parse_age(older_than)
        until = parse_time(before) if age is None else time.time() - age
        most = parse_size(keep)
    with opened_gallery(gallery, read_only=dry_run) as opened:
        if until is None and most is None:
            if not opened.life.rules():
                raise CallError("no rule of retention: give --older-than, --before or --keep")
            if camera:
                raise CallError("rules are for all cameras: give an age, a time or a size as well")
            removed = opened.life.expire(time.time(), dry_run=dry_run)
        else:
            removed = opened.life.purge(
                camera=camera, before=until, keep_bytes=most, dry_run=dry_run
            )
    _print_removed(removed, "would go" if dry_run else "purged", as_json)


def keep(
    gallery: Place = HERE,
    age: Annotated[str | None, typer.Option("--for", help="for how long, like 30d")] = None,
    size: Annotated[str | None, typer.Option(help="up to which size, like 50GB")] = None,
    ever: Annotated[bool, typer.Option("--ever", help="take the rule back")] = False,
    camera: Annotated[str | None, typer.Option(help="this camera's tracks; else all")] = None,
    as_json: Json = False,
) -> None:
    """Set or show for how long and up to which size things are kept; rules stand in the gallery.

    Example: `nearfar gallery keep nearfar.db --camera gate --for 30d`

    `nearfar gallery purge nearfar.db` does as the rules say; let it run once a day. Of several
    rules the strictest counts. A new rule of a camera takes the place of its old one.
    """
    with one_line_errors():
        from .errors import CallError
        from .units import parse_age, parse_size

        seconds, most = parse_age(age), parse_size(size)
        if ever and (age or size):
            raise CallError("give --ever, or --for and --size")
        if camera and not (ever or age or size):
            raise CallError("give --for, --size or --ever with --camera")
    setting = ever or age is not None or size is not None
    with opened_gallery(gallery, read_only=not setting) as opened:
        if setting:
            opened.life.keep(camera=camera, seconds=seconds, keep_bytes=most)
        rules = opened.life.rules()
    if as_json:
        print_json({"rules": [asdict(rule) for rule in rules]})
        return
    for rule in rules:
        limits = []
        if rule.seconds is not None:
            limits.append(f"for {rule.seconds / 86_400:g} days")
        if rule.bytes is not None:
            limits.append(f"up to {rule.bytes / 1e9:g} GB")
        typer.echo(f"{rule.camera or 'all cameras'}: {', '.join(limits)}")
    if not rules:
        typer.echo("no rules: everything is kept until it is removed")


def vacuum(gallery: Place = HERE, as_json: Json = False) -> None:
    """Give the room of what was removed back to the disk.

    Example: `nearfar gallery vacuum nearfar.db`
    """
    with opened_gallery(gallery) as opened:
        before = opened.info().database_bytes
        opened.life.vacuum()
        after = opened.info().database_bytes
    if as_json:
        print_json({"bytes_before": before, "bytes_after": after})
    else:
        typer.echo(f"{gallery}: {before} bytes before, {after} after")


def hold(
    reason: Annotated[str, typer.Option(help="why, for instance the number of a case")],
    gallery: Place = HERE,
    identity: Annotated[int | None, typer.Option(help="number of a person")] = None,
    camera: Annotated[str | None, typer.Option(help="all of a camera")] = None,
    as_json: Json = False,
) -> None:
    """Place a legal hold: nothing that it covers can be erased or purged until it is lifted.

    Example: `nearfar gallery hold nearfar.db --identity 7 --reason "case 12/26"`

    Without an identity or a camera it covers the whole gallery.
    """
    with opened_gallery(gallery) as opened:
        made = opened.life.hold(reason, identity=identity, camera=camera)
    if as_json:
        print_json(asdict(made))
    else:
        typer.echo(f"hold {made.id} placed")


def lift(
    number: Annotated[int, typer.Argument(help="number of the hold")],
    gallery: PlaceOption = HERE,
) -> None:
    """Lift a legal hold.

    Example: `nearfar gallery lift 3 --gallery nearfar.db`
    """
    with opened_gallery(gallery) as opened:
        opened.life.lift(number)
    typer.echo(f"hold {number} lifted")


def holds(gallery: Place = HERE, as_json: Json = False) -> None:
    """List legal holds, lifted ones too.

    Example: `nearfar gallery holds nearfar.db`
    """
    with opened_gallery(gallery, read_only=True) as opened:
        found = opened.life.holds()
    if as_json:
        print_json({"holds": [asdict(one) for one in found]})
        return
    for one in found:
        covers = f"identity {one.identity}" if one.identity else one.camera or "everything"
        state = "lifted" if one.lifted is not None else "holds"
        typer.echo(f"{one.id}  {covers}  {state}  {one.reason}")


def _print_removed(removed: Removed, what: str, as_json: bool) -> None:
    if as_json:
        print_json(asdict(removed))
        return
    spared = f"; {removed.held} tracks stay, under a legal hold" if removed.held else ""
    typer.echo(
        f"{what}: {removed.tracks} tracks, {removed.observations} observations, "
        f"{removed.crops} pictures{spared}"
    )
