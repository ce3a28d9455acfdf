"""How a gallery is kept: settings that stand in the gallery itself, for all who open it."""

from __future__ import annotations

import secrets
from contextlib import suppress
from typing import Literal

from sqlalchemy import Connection, bindparam, func, insert, select, update

from . import inside, schema
from .crops import Crops, FolderCrops, InsideCrops
from .database import Database
from .errors import GalleryLocked, StorageError

CropPlace = Literal["folder", "inside"]
SearchPlace = Literal["memory", "database"]

_VALUE = select(schema.Setting.value).where(schema.Setting.name == bindparam("name"))


def settle_crops(database: Database, wanted: CropPlace | None) -> Crops:
    """Where the gallery keeps its pictures; a gallery without any takes on what is wanted.

    Pictures of a run that was cut off are removed, unless somebody is at work.

    Raises:
        StorageError: it keeps them elsewhere, or has no folder beside it.
    """
    path = database.backend.path
    usual: CropPlace = "inside" if path is None else "folder"
    with database.read() as connection:
        place = read(connection, "crops") or usual
        empty = not connection.scalar(select(func.count()).select_from(schema.Crop))
    if wanted is not None and wanted != place:
        if path is None:
            raise StorageError(f"{database.name} has no folder beside it: keep its crops inside")
        if not empty or database.read_only:
            raise StorageError(
                f"{database.name} keeps its crops {_said(place)}: copy it to a new gallery with "
                f"the crops {_said(wanted)}"
            )
        with database.write() as connection:
            write(connection, "crops", wanted)
        place = wanted
    kept = (
        FolderCrops(path) if path is not None and place == "folder" else InsideCrops(database.name)
    )
    if not database.read_only:
        _clear_doubtful(database, kept)
    return kept


def settle_search(database: Database, wanted: SearchPlace | None) -> bool:
    """Whether the database itself compares; a gallery takes on what is wanted.

    Raises:
        StorageError: it is no server, or the server has no pgvector.
    """
    with database.read() as connection:
        place = read(connection, "search") or "memory"
    if wanted is not None and wanted != place:
        if database.backend.path is not None:
            raise StorageError(f"{database.name} is a file: it is searched in memory")
        with database.write() as connection:
            if wanted == "database":
                inside.make(connection, database.name)
            else:
                inside.drop(connection)
            write(connection, "search", wanted)
        place = wanted
    return place == "database"


def read(connection: Connection, name: str) -> str | None:
    """A setting; None where it was never set."""
    return connection.scalar(_VALUE, {"name": name})


def made_once(database: Database, name: str) -> str:
    """A random setting, made when it is first asked for."""
    with database.read() as connection:
        value = read(connection, name)
    if value is None:
        with database.write() as connection:
            value = read(connection, name) or secrets.token_hex(32)
            write(connection, name, value)
    return value


def write(connection: Connection, name: str, value: str) -> None:
    """Sets a setting."""
    setting = schema.Setting
    changed = connection.execute(
        update(setting).where(setting.name == name).values(value=value)
    ).rowcount
    if not changed:
        connection.execute(insert(setting).values(name=name, value=value))


def _clear_doubtful(database: Database, crops: Crops) -> None:
    with database.read() as connection:
        if not crops.doubtful(connection):
            return
    with suppress(GalleryLocked), database.write() as connection:
        crops.clear(connection)


def _said(place: str) -> str:
    return "inside the database" if place == "inside" else "in a folder beside the database"
