"""The migrations make the tables that the models describe."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateTable

import storage
from storage import Gallery
from storage.database import REVISIONS, VERSION_TABLE
from storage.schema import Base


def clauses(sql: str) -> set[str]:
    """The columns and constraints of a CREATE TABLE."""
    body = sql.strip().partition("(")[2].removesuffix(")")
    return {clause.strip() for clause in re.split(r",\s*\n", body)}


def test_migrations_and_models_agree(path: Path) -> None:
    Gallery.open(path, create=True).close()
    engine = create_engine(f"sqlite:///{path}")
    with engine.connect() as connection:
        options = {"version_table": VERSION_TABLE, "compare_type": True}
        context = MigrationContext.configure(connection, opts=options)
        assert compare_metadata(context, Base.metadata) == []
        tables = "SELECT name, sql FROM sqlite_master WHERE type = 'table'"
        made = dict(connection.exec_driver_sql(tables).tuples().all())
    engine.dispose()
    for table in Base.metadata.sorted_tables:
        wanted = str(CreateTable(table).compile(dialect=engine.dialect))
        assert clauses(made[table.name]) == clauses(wanted)


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
