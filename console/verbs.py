"""The verbs `nearfar serve` and `nearfar users`."""

from __future__ import annotations

import gc
import logging
import socket
import sys
from asyncio import CancelledError
from contextlib import suppress
from pathlib import Path
from threading import Thread
from typing import Annotated

import typer
import uvicorn

from pipeline import Detector
from pipeline.live.frames import is_loopback
from reid import Embedder
from storage import Account, Gallery, StorageError

from .app import LOOPBACK, create_app
from .errors import ConsoleError
from .guard import bracketed, host_of
from .state import Console
from .users import hash_password

END_SECONDS = 2
"""How long answers that go on may take when the console ends."""

EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}
"""Addresses that stand for all of a machine, and where it is reached from itself then."""

GalleryOption = Annotated[str, typer.Option("--gallery", help="path or URL of the gallery")]


def serve(
    gallery: GalleryOption = "nearfar.db",
    host: Annotated[str, typer.Option(help="address to listen on")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="port; 0 takes a free one")] = 8080,
    name: Annotated[
        list[str] | None, typer.Option("--name", help="name in the browser's address, if another")
    ] = None,
    watch: Annotated[
        str, typer.Option(help="HOST:PORT where a nearfar watch tells of its health, or none")
    ] = "127.0.0.1:8320",
    embedder: Annotated[Path | None, typer.Option(help="embedder weights, the own if none")] = None,
    detector: Annotated[Path | None, typer.Option(help="detector weights, the own if none")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda")] = "auto",
) -> None:
    """Open the gallery in the browser: search, review, watch.

    Example: `nearfar serve --gallery demo/nearfar.db`, then open http://127.0.0.1:8080

    On this machine alone nobody signs in. Any other address needs accounts (`nearfar users add`)
    and, in front of it, a proxy that speaks HTTPS; give its name with `--name cameras.example.org`.
    """
    own, names = is_loopback(host), [_named(one) for one in name or []]
    model = Embedder.load(embedder, device, threads=1)
    with Gallery.open(gallery, model=model.info) as opened:
        accounts = opened.accounts.every()
        if not own and not accounts:
            raise ConsoleError(
                f"on {host} others can reach the console: first add somebody who may sign in, "
                f"with nearfar users add NAME --gallery {gallery}"
            )
        eyes = Detector.load(detector, device) if detector else None
        asked = None if watch == "none" else watch
        hosts = list(dict.fromkeys((*LOOPBACK, *names, *([] if host in EVERYWHERE else [host]))))
        app = create_app(
            Console(opened, model, eyes), sign_in=bool(accounts), hosts=hosts, watch=asked
        )
        listener = _listener(host, port)
        Thread(target=_warm, args=(opened,), daemon=True).start()
        shown = bracketed(EVERYWHERE.get(host, host))
        typer.echo(f"nearfar: open http://{shown}:{listener.getsockname()[1]} (Ctrl-C ends)")
        if host in EVERYWHERE and not names:
            typer.echo(
                "nearfar: other machines are not answered yet: start it with --name and the name "
                "or address by which they reach this one"
            )
        config = uvicorn.Config(
            app, log_level="warning", server_header=False, timeout_graceful_shutdown=END_SECONDS
        )
        server = uvicorn.Server(config)
        app.state.shared.is_over = lambda: server.should_exit
        logging.getLogger("uvicorn.error").addFilter(_unless_called_off)
        with suppress(KeyboardInterrupt):
            server.run([listener])


def _named(text: str) -> str:
    """The host that somebody gives, be it as a whole address.

    Raises:
        ConsoleError: there is none.
    """
    host = host_of(text)
    if not host or not set(host.removeprefix("*")).isdisjoint("*?[] "):
        raise ConsoleError(f"{text!r} is no name: write it as in --name cameras.example.org")
    return host


def _unless_called_off(record: logging.LogRecord) -> bool:
    """Answers that end with the console are no errors."""
    return not (record.exc_info and isinstance(record.exc_info[1], CancelledError))


def _warm(gallery: Gallery) -> None:
    """Spares the first search the reading; one that fails is told of where it is asked for.

    What is in memory then stays there: to look through it for garbage would hold a search up.
    """
    with suppress(StorageError):
        gallery.warm()
    gc.freeze()


def _listener(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen()
    except OSError as error:
        listener.close()
        raise ConsoleError(
            f"can't listen on {host}, port {port}: {error.strerror or error}; try another --port",
            status=1,
        ) from error
    return listener


users = typer.Typer(
    help="Accounts of the console.\n\nExample: `nearfar users add ada --role operator`",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)


@users.command("add")
def add(
    name: Annotated[str, typer.Argument(help="name to sign in with")],
    role: Annotated[str, typer.Option(help="viewer, operator or administrator")] = "viewer",
    gallery: GalleryOption = "nearfar.db",
) -> None:
    """Add somebody, or change role and password of somebody.

    Example: `nearfar users add ada --role operator --gallery nearfar.db`

    The password is asked for, or read from standard input where that is no terminal. A viewer
    looks, an operator also judges, an administrator also erases.
    """
    if sys.stdin.isatty():
        password = typer.prompt("Password", hide_input=True, confirmation_prompt=True)
    else:
        password = sys.stdin.readline().rstrip("\n")
    with Gallery.open(gallery) as opened:
        opened.accounts.put(Account(name, role, hash_password(password)))  # type: ignore[arg-type]
    typer.echo(f"{name} may sign in as {role}")


@users.command("list")
def listed(gallery: GalleryOption = "nearfar.db") -> None:
    """List accounts.

    Example: `nearfar users list --gallery nearfar.db`
    """
    with Gallery.open(gallery, read_only=True) as opened:
        for account in opened.accounts.every():
            typer.echo(f"{account.name}  {account.role}")


@users.command("remove")
def remove(
    name: Annotated[str, typer.Argument(help="who may no longer sign in")],
    gallery: GalleryOption = "nearfar.db",
) -> None:
    """Remove somebody; their sessions end at once.

    Example: `nearfar users remove ada --gallery nearfar.db`
    """
    with Gallery.open(gallery) as opened:
        opened.accounts.remove(name)
    typer.echo(f"{name} is removed")
