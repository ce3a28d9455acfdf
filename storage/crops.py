"""Crops: JPEG files named by the hash of their bytes, in a folder beside the database or inside it.

Both kinds are used within transactions of the database. A crop is written before the row that names
it is acknowledged, and removed after the last row that names it is gone.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Protocol

from sqlalchemy import Connection, delete, insert, select

from . import schema, sqlite
from .errors import GalleryDamaged, GalleryReadOnly, StorageError
from .threads import side_by_side

IN_LIST = 10_000
"""The most hashes in one query."""


def hash_of(jpeg: bytes) -> str:
    """The name of a crop."""
    return hashlib.sha256(jpeg).hexdigest()


class Crops(Protocol):
    """Where a gallery keeps its pictures."""

    def add(self, connection: Connection, pictures: Mapping[str, bytes]) -> None:
        """Keeps new pictures, by their hashes, so that they outlive a power cut.

        Raises:
            GalleryFull, GalleryReadOnly, StorageError: when one can't be written.
        """

    def read(self, connection: Connection, sha: str) -> bytes:
        """The JPEG file's bytes.

        Raises:
            GalleryDamaged: it is gone or holds something else.
        """

    def path(self, sha: str) -> Path:
        """The file of a picture.

        Raises:
            StorageError: pictures of this gallery are not files.
        """

    def doubt(self, connection: Connection, hashes: Collection[str]) -> None:
        """Notes, while writing, pictures whose rows may come or go with this transaction."""

    def doubtful(self, connection: Connection) -> set[str]:
        """Pictures noted by `doubt` that no row names: work of a run that was cut off, or at work.

        Once a writer has its turn nobody else is at work, and it may `clear` them.
        """

    def clear(self, connection: Connection) -> None:
        """Removes, while writing, the doubtful pictures that no row names."""

    def leftovers(self, connection: Connection) -> list[Path]:
        """Files that no row names and nobody doubts; all are looked at."""


class FolderCrops:
    """Files in a folder: ``nearfar.db`` has ``nearfar.crops/ab/abcdef....jpg``."""

    def __init__(self, database: Path) -> None:
        stem = database.stem if database.suffix == ".db" else database.name
        self._folder = database.with_name(stem + ".crops")
        self._doubts = self._folder / "doubtful"
        self._doubts_part = self._folder / "doubtful.part"

    def path(self, sha: str) -> Path:
        """Where the crop with this hash is."""
        return Path(self._file(sha))

    def _file(self, sha: str) -> str:
        """The same as text: each part of a `Path` is entered into Python's table of strings, which
        grows with what was ever in it, and a watch adds pictures for months."""
        return os.path.join(self._folder, sha[:2], f"{sha}.jpg")

    def add(self, connection: Connection, pictures: Mapping[str, bytes]) -> None:
        """See `Crops.add`; a file that is there already is kept."""
        places = {sha: self._file(sha) for sha in pictures}
        with self._explained():
            self.clear(connection)
            if pictures:
                self.doubt(connection, list(pictures))
            new = [sha for sha in pictures if not _holds(places[sha], len(pictures[sha]))]
            parts = {sha: f"{places[sha].removesuffix('.jpg')}.{os.getpid()}.part" for sha in new}
            try:
                for sha, part in parts.items():
                    os.makedirs(os.path.dirname(part), exist_ok=True)
                    with open(part, "wb") as file:
                        file.write(pictures[sha])
                _sync(parts.values())
                for sha, part in parts.items():
                    os.replace(part, places[sha])
            except BaseException:
                for part in parts.values():
                    with suppress(OSError):
                        os.unlink(part)
                raise
            if new:
                _sync({str(self._folder), *map(os.path.dirname, parts.values())})

    def read(self, connection: Connection, sha: str) -> bytes:
        """See `Crops.read`."""
        path = self.path(sha)
        try:
            jpeg = path.read_bytes()
        except OSError as error:
            raise GalleryDamaged(
                f"crop {path} can't be read ({error.strerror}): restore it from a copy"
            ) from error
        return _checked(jpeg, sha, str(path))

    def doubt(self, connection: Connection, hashes: Collection[str]) -> None:
        """See `Crops.doubt`."""
        with self._explained():
            self._folder.mkdir(parents=True, exist_ok=True)
            self._doubts_part.write_text("\n".join(hashes))
            self._doubts_part.replace(self._doubts)

    def doubtful(self, connection: Connection) -> set[str]:
        """See `Crops.doubtful`."""
        noted = self._noted()
        return noted - _named(connection, noted)

    def clear(self, connection: Connection) -> None:
        """See `Crops.clear`."""
        with self._explained():
            for sha in self.doubtful(connection):
                path = self.path(sha)
                path.unlink(missing_ok=True)
                for part in path.parent.glob(f"{sha}.*.part"):
                    part.unlink(missing_ok=True)
            self._doubts.unlink(missing_ok=True)

    def leftovers(self, connection: Connection) -> list[Path]:
        """See `Crops.leftovers`."""
        found = []
        for folder in sorted(p for p in self._folder.glob("*") if p.is_dir()):
            files = sorted(folder.iterdir())
            hashes = {file.name.partition(".")[0] for file in files}
            expected = _named(connection, hashes) | self._noted()
            found += [file for file in files if file.name.partition(".")[0] not in expected]
        return found

    def _noted(self) -> set[str]:
        try:
            return set(self._doubts.read_text().split())
        except OSError:
            return set()

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if sqlite.is_full(error):
                raise sqlite.full(self._folder) from error
            if isinstance(error, PermissionError):
                raise GalleryReadOnly(
                    f"{self._folder} can't be written: change its permissions"
                ) from error
            raise StorageError(f"crops in {self._folder}: {error.strerror}") from error


class InsideCrops:
    """Rows of the database, for galleries in one file and for galleries on a server."""

    def __init__(self, database: str) -> None:
        self._database = database

    def path(self, sha: str) -> Path:
        """See `Crops.path`."""
        raise StorageError(f"{self._database} keeps its crops inside: read crop {sha} instead")

    def add(self, connection: Connection, pictures: Mapping[str, bytes]) -> None:
        """See `Crops.add`; to be called once the rows of the crops are there."""
        picture = schema.Picture
        known = set(
            connection.scalars(select(picture.sha256).where(picture.sha256.in_(list(pictures))))
        )
        new = [{"sha256": s, "jpeg": j} for s, j in pictures.items() if s not in known]
        if new:
            connection.execute(insert(picture), new)

    def read(self, connection: Connection, sha: str) -> bytes:
        """See `Crops.read`."""
        picture = schema.Picture
        jpeg = connection.scalar(select(picture.jpeg).where(picture.sha256 == sha))
        if jpeg is None:
            raise GalleryDamaged(f"crop {sha} is not in {self._database}: restore it from a copy")
        return _checked(jpeg, sha, sha)

    def doubt(self, connection: Connection, hashes: Collection[str]) -> None:
        """Nothing to do: the pictures are rows, which come and go with those that name them."""

    def doubtful(self, connection: Connection) -> set[str]:
        """None."""
        return set()

    def clear(self, connection: Connection) -> None:
        """Nothing to do."""

    def leftovers(self, connection: Connection) -> list[Path]:
        """None."""
        return []


def unnamed(connection: Connection, hashes: Iterable[str]) -> list[str]:
    """Removes the rows of crops that no observation names any more; returns their hashes."""
    crop, observation = schema.Crop, schema.Observation
    wanted = sorted(set(hashes))
    gone: list[str] = []
    for i in range(0, len(wanted), IN_LIST):
        some = wanted[i : i + IN_LIST]
        named = set(
            connection.scalars(
                select(observation.crop_sha256).where(observation.crop_sha256.in_(some))
            )
        )
        loose = [sha for sha in some if sha not in named]
        if loose:
            connection.execute(delete(crop).where(crop.sha256.in_(loose)))
        gone += loose
    return gone


def _named(connection: Connection, hashes: Iterable[str]) -> set[str]:
    """Those hashes that have a row."""
    crop = schema.Crop
    wanted = sorted(hashes)
    named: set[str] = set()
    for i in range(0, len(wanted), IN_LIST):
        some = wanted[i : i + IN_LIST]
        named |= set(connection.scalars(select(crop.sha256).where(crop.sha256.in_(some))))
    return named


def _holds(file: str, size: int) -> bool:
    return os.path.exists(file) and os.path.getsize(file) == size


def _checked(jpeg: bytes, sha: str, name: str) -> bytes:
    if hash_of(jpeg) != sha:
        raise GalleryDamaged(f"crop {name} holds another picture: restore it from a copy")
    return jpeg


def _sync(paths: Collection[str]) -> None:
    """Has the disk hold what was written to files or folders; many at once cost little more."""

    def one(path: str) -> None:
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)

    side_by_side(one, list(paths))
