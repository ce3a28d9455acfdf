"""Search inside a PostgreSQL database, by pgvector, for galleries that memory does not hold.

pgvector compares numbers of its own type, and galleries keep fp16 of varying length, so a table
holds the vectors once more, as arrays of float4. It is no part of the schema: like an index it can
be made anew from the rest at any time. Who searches takes in what is new, as the mirror in memory
does; its rows go with the embeddings that they were made of.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from sqlalchemy import Connection, text

from reid import Calibration, Embeddings, ModelInfo

from . import vectors
from .database import Database
from .errors import StorageError
from .evidence import BEYOND_BOUND, weights_of
from .likeliest import BEST
from .limits import Limits, require_known
from .records import SearchPage
from .showing import Best, shown

EXTENSION = "vector"
"""pgvector's name on a server."""

TABLE = "nearfar_search"

MAKE = f"""
CREATE TABLE IF NOT EXISTS {TABLE} (
    observation_id BIGINT, model_id BIGINT, level BIGINT NOT NULL, vector REAL[] NOT NULL,
    PRIMARY KEY (observation_id, model_id),
    FOREIGN KEY (observation_id, model_id) REFERENCES embedding ON DELETE CASCADE
) WITH (toast_tuple_target = 8160)
"""
"""Rows of up to 8 kB stay in one piece: numbers in a place of their own take longer to read."""

CHUNK = 20_000
"""Rows taken in at a time; others may write between two."""

START, END = b"PGCOPY\n\xff\r\n\0" + bytes(8), b"\xff\xff"
"""Of a binary COPY."""

FLOAT4 = 700
"""PostgreSQL's number of the type."""


def make(connection: Connection, place: str) -> None:
    """Makes the table, empty, unless it is there.

    Raises:
        StorageError: the server has no pgvector.
    """
    there = text("SELECT 1 FROM pg_available_extensions WHERE name = :name")
    if not connection.scalar(there, {"name": EXTENSION}):
        raise StorageError(
            f"the server of {place} has no pgvector: install it there, or search in memory"
        )
    connection.execute(text(f"CREATE EXTENSION IF NOT EXISTS {EXTENSION}"))
    connection.execute(text(MAKE))
    connection.execute(text(f"ALTER TABLE {TABLE} ALTER COLUMN vector SET STORAGE EXTERNAL"))


def drop(connection: Connection) -> None:
    """Removes the table."""
    connection.execute(text(f"DROP TABLE IF EXISTS {TABLE}"))


class Inside:
    """Searches of one model's vectors inside the database.

    Args:
        number: of the model in the gallery.
    """

    def __init__(self, database: Database, model: ModelInfo, number: int) -> None:
        self._database, self._model, self._number = database, model, number

    def take_in(self) -> bool:
        """Takes in what was stored since; whether all is there: readers can't take in."""
        while True:
            with self._database.read() as connection:
                if not self._new(connection, 1):
                    return True
            if self._database.read_only:
                return False
            with self._database.write() as connection:
                rows = self._new(connection, CHUNK)
                if rows:
                    self._copy(connection, rows)

    def _new(self, connection: Connection, most: int) -> Sequence[Any]:
        last = text(f"SELECT max(observation_id) FROM {TABLE} WHERE model_id = :model")
        after = connection.scalar(last, {"model": self._number}) or 0
        query = text(
            "SELECT observation_id, level, vector FROM embedding "
            "WHERE model_id = :model AND observation_id > :after "
            "ORDER BY observation_id LIMIT :most"
        )
        facts = {"model": self._number, "after": after, "most": most}
        return connection.execute(query, facts).all()

    def _copy(self, connection: Connection, rows: Sequence[Any]) -> None:
        ids, levels = np.array([row[0] for row in rows]), np.array([row[1] for row in rows])
        driver: Any = connection.connection.driver_connection
        with driver.cursor().copy(f"COPY {TABLE} FROM STDIN (FORMAT BINARY)") as copy:
            copy.write(START)
            for level, length in enumerate(vectors.lengths(self._model.sizes), start=1):
                own = np.flatnonzero(levels == level)
                if len(own):
                    prefixes = vectors.stack([rows[i][2] for i in own.tolist()], length)
                    copy.write(_as_copied(ids[own], self._number, level, prefixes))
            copy.write(END)

    def pages(
        self,
        connection: Connection,
        calibration: Calibration,
        queries: Sequence[Embeddings],
        limits: Limits,
        top: int,
        skip: int,
    ) -> list[SearchPage]:
        """See `Gallery.search_page`; one page for each query."""
        last = text(f"SELECT coalesce(max(observation_id), 0) FROM {TABLE} WHERE model_id = :model")
        newest = int(connection.scalar(last, {"model": self._number}) or 0)
        until = newest if limits.until is None else min(limits.until, newest)
        passing, facts = self._passing(connection, limits, until)
        found, persons = [], []
        for query in queries:
            columns, score, own = _evidence(query, calibration)
            page = {"top": top, "skip": skip}
            rows = connection.execute(
                text(_ranking(columns, score, passing)), facts | own | page
            ).all()
            persons.append(int(rows[0].persons) if rows else 0)
            found.append([Best(r.owner, r.chance, r.mean, r.best) for r in rows])
        hits = shown(connection, self._number, queries, calibration, found)
        return [
            SearchPage(own, n, f"{until}.{skip + top}" if skip + top < n else None)
            for own, n in zip(hits, persons, strict=True)
        ]

    def _passing(
        self, connection: Connection, limits: Limits, until: int
    ) -> tuple[str, dict[str, Any]]:
        """Conditions on the rows, and what they name."""
        camera = require_known(connection, limits)
        conditions = ["n.model_id = :model", "n.observation_id <= :until"]
        facts: dict[str, Any] = {"model": self._number, "until": until}
        if camera is not None:
            conditions.append("s.camera_id = :camera")
            facts["camera"] = camera
        if limits.identity is not None:
            conditions.append("t.identity_id = :identity")
            facts["identity"] = limits.identity
        for name, value, condition in (
            ("after", limits.after, "o.time >= :after"),
            ("before", limits.before, "o.time <= :before"),
            ("min_level", limits.min_level, "n.level >= :min_level"),
        ):
            if value is not None:
                conditions.append(condition)
                facts[name] = value
        return " AND ".join(conditions), facts


def _evidence(query: Embeddings, calibration: Calibration) -> tuple[str, str, dict[str, Any]]:
    """Columns with a row's log-odds to each look, the evidence of these, and what they name."""
    columns, terms = [], []
    facts: dict[str, Any] = {"bound": calibration.bound, "beyond": BEYOND_BOUND}
    lengths = vectors.lengths(query.sizes)
    for j, weight in enumerate(weights_of(query).tolist()):
        cases = []
        for level in range(1, len(lengths) + 1):
            compared = min(level, int(query.levels[j]))
            length = lengths[compared - 1]
            prefix = query.vectors[j, :length]
            facts[f"q{j}_{compared}"] = "[" + ",".join(map(repr, prefix.tolist())) + "]"
            facts[f"a{j}_{level}"] = float(calibration.intercept[query.levels[j] - 1, level - 1])
            facts[f"b{j}_{level}"] = float(calibration.slope[query.levels[j] - 1, level - 1])
            mine = f"CAST(n.vector[1:{length}] AS vector({length}))"
            theirs = f"CAST(:q{j}_{compared} AS vector({length}))"
            zero = f"CAST(vector_norm({mine}) > 0 AS int) + CAST(vector_norm({theirs}) > 0 AS int)"
            distance = f"coalesce(2 * nullif({mine} <=> {theirs}, 'NaN'), {zero})"
            cases.append(f"WHEN {level} THEN :a{j}_{level} + :b{j}_{level} * {distance}")
        columns.append(f"CASE n.level {' '.join(cases)} END AS raw{j}")
        facts[f"w{j}"] = weight
        bounded = f"least(greatest(raw{j}, -CAST(:bound AS float8)), CAST(:bound AS float8))"
        terms.append(f":w{j} * ({bounded} + :beyond * raw{j})")
    return ", ".join(columns), " + ".join(terms), facts


def _ranking(columns: str, score: str, passing: str) -> str:
    """The statement that ranks persons; `_evidence` and `_passing` say what it is made of."""
    return f"""
WITH compared AS MATERIALIZED (
    SELECT n.observation_id, coalesce(t.identity_id, -t.id) AS owner, {columns}
    FROM {TABLE} n
    JOIN observation o ON o.id = n.observation_id
    JOIN track t ON t.id = o.track_id
    JOIN session s ON s.id = t.session_id
    WHERE {passing}
), placed AS (
    SELECT observation_id, owner, score, row_number() OVER (
        PARTITION BY owner ORDER BY score DESC, observation_id
    ) AS place
    FROM (SELECT observation_id, owner, {score} AS score FROM compared) AS scored
), person AS (
    SELECT owner, avg(score) AS mean, min(observation_id) FILTER (WHERE place = 1) AS best
    FROM placed WHERE place <= {BEST} GROUP BY owner
), ranked AS (
    SELECT owner, mean, best, count(*) OVER () AS persons,
        exp(mean) / (count(*) OVER () + sum(exp(mean)) OVER ()) AS chance
    FROM person ORDER BY mean DESC, owner LIMIT :top OFFSET :skip
)
SELECT owner, mean, persons, chance, best FROM ranked ORDER BY mean DESC, owner
"""


def _as_copied(
    ids: np.ndarray[Any, Any], model: int, level: int, prefixes: np.ndarray[Any, Any]
) -> bytes:
    """Rows of one level as a binary COPY has them."""
    number = [("size", ">i4"), ("value", ">i8")]
    element = [("size", ">i4"), ("value", ">f4")]
    head = [(name, ">i4") for name in ("size", "dimensions", "flags", "type", "length", "first")]
    count, length = prefixes.shape
    rows = np.zeros(
        count,
        [
            ("fields", ">i2"),
            ("id", number),
            ("model", number),
            ("level", number),
            ("head", head),
            ("vector", element, (length,)),
        ],
    )
    rows["fields"] = 4
    for name, value in (("id", ids), ("model", model), ("level", level)):
        rows[name]["size"], rows[name]["value"] = 8, value
    for name, value in (
        ("size", 20 + 8 * length),
        ("dimensions", 1),
        ("type", FLOAT4),
        ("length", length),
        ("first", 1),
    ):
        rows["head"][name] = value
    rows["vector"]["size"], rows["vector"]["value"] = 4, prefixes
    return rows.tobytes()
