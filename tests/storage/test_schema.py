"""The migrations make the tables that the models describe."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, create_engine, make_url
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateTable

import storage
from storage import Gallery, GalleryReadOnly
from storage.backend import open_backend
from storage.database import REVISIONS, VERSION_TABLE, migrate
from storage.schema import Base

from .conftest import SIZES, a_model
from .places import Place, ask, new_place


def clauses(sql: str) -> set[str]:
    """The columns and constraints of a CREATE TABLE."""
    body = sql.strip().partition("(")[2].removesuffix(")")
    return {clause.strip() for clause in re.split(r",(?![^()]*\))", body)}


def differences(connection: Connection) -> list[object]:
    """What Alembic would change to have the tables that the models describe."""
    options = {
        "version_table": VERSION_TABLE,
        "compare_type": True,
        "include_object": lambda thing, name, *_: "_until_" not in name,
    }
    context = MigrationContext.configure(connection, opts=options)
    return compare_metadata(context, Base.metadata)


def test_migrations_and_models_agree(path: Path) -> None:
    Gallery.open(path, create=True).close()
    engine = create_engine(f"sqlite:///{path}")
    with engine.connect() as connection:
        assert differences(connection) == []
        tables = "SELECT name, sql FROM sqlite_master WHERE type = 'table'"
        made = dict(connection.exec_driver_sql(tables).tuples().all())
    engine.dispose()
    for table in Base.metadata.sorted_tables:
        wanted = str(CreateTable(table).compile(dialect=engine.dialect))
        assert clauses(made[table.name]) == clauses(wanted)


def test_migrations_and_models_agree_on_postgresql(tmp_path: Path) -> None:
    with new_place("postgres", tmp_path) as place:
        Gallery.open(place, create=True).close()
        engine = create_engine(make_url(str(place)).set(drivername="postgresql+psycopg"))
        with engine.connect() as connection:
            assert differences(connection) == []
        engine.dispose()


FIRST = """
INSERT INTO model VALUES (1, '0123456789abcdef', '{info}', {true});
INSERT INTO camera VALUES (1, 'near');
INSERT INTO session VALUES (1, 1, 'near.mp4', 'abc', 10, 0, 'running', 1, 0, 5, 5);
INSERT INTO identity VALUES (1, 5, NULL), (2, 5, NULL);
INSERT INTO track VALUES (1, 1, 1, 0, 0, 1), (2, 1, 2, 0, 0, 2);
INSERT INTO identity_link (track_id, identity_id, evidence, method, state, updated)
    VALUES (1, 1, 2, 'machine', 'current', 5), (2, 2, 2, 'machine', 'current', 5);
INSERT INTO observation VALUES (1, 1, 0, 0, 1, 2, 3, 4, 0.5, 1, 0.5, NULL);
INSERT INTO observation VALUES (2, 2, 0, 0, 1, 2, 3, 4, 0.5, 1, 0.5, NULL);
INSERT INTO embedding VALUES (1, 1, 1, {vector}), (2, 1, 1, {vector})
"""
"""A gallery of the first schema."""


def test_a_gallery_of_each_earlier_schema_is_brought_up_to_date(place: Place) -> None:
    backend = open_backend(place, create=True, read_only=False, timeout=5, durable=False)
    backend.prepare()
    with backend.writer.begin() as connection:
        migrate(connection, to="0001")
    backend.engine.dispose()
    blob = "0100" * SIZES[0]
    on_server = isinstance(place, str)
    first = FIRST.format(
        info=a_model().to_json(),
        true="true" if on_server else "1",
        vector=f"'\\x{blob}'::bytea" if on_server else f"x'{blob}'",
    )
    ask(place, *first.split(";"))
    with pytest.raises(GalleryReadOnly, match="older schema 0001"):
        Gallery.open(place, read_only=True)
    with Gallery.open(place) as gallery:
        assert gallery.info().schema == REVISIONS[-1]
        assert gallery.check() == []
        tracks = gallery.tracks()
        assert [t.identity for t in tracks] == [1, 2]
        assert [h.identity for h in gallery.search(tracks[0].embeddings)] == [1, 2]
        gallery.save_identities({1: "one", 2: "one"}, {})
        assert [h.identity for h in gallery.search(tracks[0].embeddings)] == [1]
    assert ask(place, "SELECT version_num FROM nearfar_schema") == [(REVISIONS[-1],)]


def test_every_revision_is_listed() -> None:
    folder = Path(storage.__file__).with_name("migrations")
    revisions = [r.revision for r in ScriptDirectory(str(folder)).walk_revisions()]
    assert tuple(reversed(revisions)) == REVISIONS


def test_the_models_are_good_for_postgresql() -> None:
    for table in Base.metadata.sorted_tables:
        assert "CREATE TABLE" in str(CreateTable(table).compile(dialect=postgresql.dialect()))  # type: ignore[no-untyped-call]


def test_opening_a_gallery_imports_no_alembic(path: Path) -> None:
    Gallery.open(path, create=True).close()
    code = (
        "import sys; from storage import Gallery; Gallery.open(sys.argv[1]).close(); "
        "assert 'alembic' not in sys.modules; assert 'cv2' not in sys.modules"
    )
    root = Path(storage.__file__).parents[1]
    subprocess.run([sys.executable, "-c", code, str(path)], cwd=root, check=True)
