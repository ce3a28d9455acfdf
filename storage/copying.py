"""A gallery into another place, or into a folder of plain files and back."""

from __future__ import annotations

import base64
import csv
import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, LargeBinary, Table, select

from . import audit, rows, schema
from .backend import Backend
from .crops import Crops
from .database import REVISIONS
from .errors import GalleryDamaged, GalleryTooNew, NotAGallery, StorageError
from .rows import Digest, Row

if TYPE_CHECKING:
    from .gallery import Gallery

FORMAT = "nearfar gallery"
MANIFEST = "manifest.json"
PICTURES = 200
"""Pictures that are held in memory at a time."""

Contents = Mapping[str, Digest]
"""What each table holds."""

csv.field_size_limit(1 << 24)


def copy(source: Gallery, target: Gallery) -> Contents:
    """Copies all of a gallery into an empty one, of either kind, and compares the two.

    Numbers stay what they are, and those once used stay taken. The copy is noted in the audit log
    of the source, and with it in that of the target.

    Returns:
        What each table holds, on both sides.

    Raises:
        StorageError: the target is not empty, or not the same after all; it is left empty then.
    """
    _require_empty(target)
    source.audit.note("copy", {"to": target._database.name})
    with source._database.read() as old, target._database.write() as new:
        chunks = ((table, rows.read(old, table)) for table in rows.tables())
        found = _fill(new, target._database.backend, chunks)
        _add_pictures(new, target._crops, lambda sha: source._crops.read(old, sha))
        for table in rows.tables():
            highest = source._database.backend.highest_id(old, table)
            target._database.backend.raise_id(new, table, highest)
        _compare(new, target, found)
    return found


def export(gallery: Gallery, folder: Path) -> Contents:
    """Writes all of a gallery to a new folder: a CSV file a table, the pictures, a manifest.

    Vectors are base64 of little-endian fp16. The manifest comes last: a folder without one is not
    whole. The export is noted in the audit log.

    Raises:
        StorageError: the folder is not empty, or can't be written.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise StorageError(f"{folder} is not empty: export to a new folder")
    gallery.audit.note("export", {"to": folder.name})
    try:
        with gallery._database.read() as connection:
            return _export(connection, gallery, folder)
    except OSError as error:
        raise StorageError(f"export to {folder}: {error.strerror}") from error


def import_(folder: Path, gallery: Gallery) -> Contents:
    """Reads what `export` wrote into an empty gallery of either kind.

    Raises:
        NotAGallery: the folder holds no whole export. GalleryTooNew: one of a later program.
        GalleryDamaged: a file is not what the manifest says; the gallery is left empty.
        StorageError: the gallery is not empty.
    """
    manifest = read_manifest(folder)
    _require_empty(gallery)
    with gallery._database.write() as connection:
        chunks = (
            (table, _csv_rows(folder / f"{table.name}.csv", table)) for table in rows.tables()
        )
        found = _fill(connection, gallery._database.backend, chunks)
        for name, told in manifest["tables"].items():
            if found[name] != Digest(told["rows"], told["sha256"]):
                raise GalleryDamaged(
                    f"{folder / f'{name}.csv'} is not what the manifest says: export again"
                )
        _add_pictures(connection, gallery._crops, lambda sha: _picture(folder, sha))
        for table in rows.tables():
            highest = manifest["tables"][table.name]["highest_id"]
            gallery._database.backend.raise_id(connection, table, highest)
        _compare(connection, gallery, found)
        audit.append(connection, gallery._actor, "import", {"from": folder.name})
    return found


def _export(connection: Connection, gallery: Gallery, folder: Path) -> Contents:
    folder.mkdir(parents=True, exist_ok=True)
    found, told = {}, {}
    for table in rows.tables():
        hasher = rows.Hasher()
        with (folder / f"{table.name}.csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow([column.name for column in table.columns])
            for chunk in hasher.through(rows.read(connection, table)):
                writer.writerows([_written(value) for value in row] for row in chunk)
        found[table.name] = hasher.digest
        told[table.name] = {
            "rows": hasher.digest.rows,
            "sha256": hasher.digest.sha256,
            "highest_id": gallery._database.backend.highest_id(connection, table),
        }
    for sha in connection.scalars(select(schema.Crop.sha256)):
        place = folder / "crops" / sha[:2] / f"{sha}.jpg"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(gallery._crops.read(connection, sha))
    manifest = {
        "format": FORMAT,
        "schema": REVISIONS[-1],
        "tables": told,
        "pictures": found["crop"].rows,
    }
    part = folder / "manifest.part"
    part.write_text(json.dumps(manifest, indent=2), encoding="utf-8")
    part.replace(folder / MANIFEST)
    return found


def _fill(
    connection: Connection,
    backend: Backend,
    content: Iterator[tuple[Table, Iterator[Sequence[Row]]]],
) -> dict[str, Digest]:
    found = {}
    for table, chunks in content:
        hasher = rows.Hasher()
        for chunk in hasher.through(chunks):
            if table.name == schema.Embedding.__tablename__:
                backend.make_room(connection, (row[0] for row in chunk))
            rows.write(connection, table, chunk)
        found[table.name] = hasher.digest
    return found


def _add_pictures(connection: Connection, crops: Crops, read: Callable[[str], bytes]) -> None:
    hashes = list(connection.scalars(select(schema.Crop.sha256).order_by(schema.Crop.sha256)))
    for i in range(0, len(hashes), PICTURES):
        crops.add(connection, {sha: read(sha) for sha in hashes[i : i + PICTURES]})


def _compare(connection: Connection, gallery: Gallery, wanted: Contents) -> None:
    for table in rows.tables():
        if rows.digest(connection, table) != wanted[table.name]:
            raise StorageError(
                f"{gallery._database.name}: table {table.name} is not what was read: "
                "check the disk, then copy again"
            )
    for sha in connection.scalars(select(schema.Crop.sha256)):
        gallery._crops.read(connection, sha)


def _require_empty(gallery: Gallery) -> None:
    with gallery._database.read() as connection:
        if not rows.is_empty(connection):
            raise StorageError(
                f"{gallery._database.name} is not empty: give the place of a new gallery"
            )


def read_manifest(folder: Path) -> dict[str, Any]:
    """What an exported folder says that it holds.

    Raises:
        NotAGallery: it is no whole export. GalleryTooNew: of a newer nearfar.
        GalleryDamaged: it doesn't tell of all tables.
    """
    place = folder / MANIFEST
    try:
        manifest = json.loads(place.read_text(encoding="utf-8"))
        if manifest["format"] != FORMAT:
            raise ValueError(manifest["format"])
        version, told = str(manifest["schema"]), manifest["tables"]
    except FileNotFoundError as error:
        raise NotAGallery(f"no {place}: give the folder of a whole export") from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise NotAGallery(f"{place} is not that of an export: export again") from error
    if version not in REVISIONS:
        raise GalleryTooNew(
            f"{folder} has schema {version}, this nearfar knows up to {REVISIONS[-1]}: "
            "update nearfar"
        )
    missing = {table.name for table in rows.tables()} - set(told)
    if missing:
        raise GalleryDamaged(f"{place} does not tell of {', '.join(sorted(missing))}: export again")
    return dict(manifest)


def _csv_rows(place: Path, table: Table) -> Iterator[list[Row]]:
    try:
        with place.open(newline="", encoding="utf-8") as file:
            reader = csv.reader(file)
            names = next(reader, [])
            if names != [column.name for column in table.columns]:
                raise ValueError("other columns")
            read = [_reader(column) for column in table.columns]
            chunk: list[Row] = []
            for line in reader:
                chunk.append(tuple(one(text) for one, text in zip(read, line, strict=True)))
                if len(chunk) == rows.CHUNK:
                    yield chunk
                    chunk = []
            yield chunk
    except (OSError, ValueError, csv.Error) as error:
        raise GalleryDamaged(f"{place} can't be read ({error}): export again") from error


def _written(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, float):
        return repr(value)
    return str(int(value)) if isinstance(value, bool) else str(value)


def _reader(column: Any) -> Callable[[str], Any]:
    """What turns a column's text into its value."""
    if isinstance(column.type, LargeBinary):
        return lambda text: base64.b64decode(text, validate=True)
    kind = column.type.python_type
    plain: Callable[[str], Any] = (lambda text: bool(int(text))) if kind is bool else kind
    if column.nullable:
        return lambda text: None if text == "" else plain(text)
    return plain


def _picture(folder: Path, sha: str) -> bytes:
    place = folder / "crops" / sha[:2] / f"{sha}.jpg"
    try:
        jpeg = place.read_bytes()
    except OSError as error:
        raise GalleryDamaged(f"{place} can't be read ({error.strerror}): export again") from error
    if hashlib.sha256(jpeg).hexdigest() != sha:
        raise GalleryDamaged(f"{place} holds another picture: export again")
    return jpeg
