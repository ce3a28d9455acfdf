"""Other ways to search full-length vectors, for benchmarks/gallery.py; see there.

    pip install faiss-cpu sqlite-vec apsw 'psycopg[binary]' pgserver

None of them is needed by nearfar (apsw: many Pythons' own sqlite3 loads no extensions). What is not
installed is passed over.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.gallery_rows import MANY, timed

Rivals = Callable[[np.ndarray, np.ndarray, list[np.ndarray], int], dict[str, dict[str, Any]]]
TEN = 10

HNSW_ROWS = 100_000
"""Rows up to which pgvector's HNSW index is made: at a million it takes most of an hour."""


def measured(
    matrix: np.ndarray, queries: np.ndarray, right: list[np.ndarray], n: int
) -> dict[str, dict[str, Any]]:
    """Times and recall by name.

    Args:
        matrix, queries: ``float32 (N, d)`` of length one. right: the nearest rows of the first `n`
            queries by the literal definition.
    """
    out: dict[str, dict[str, Any]] = {}
    for rivals in (of_faiss, of_sqlite_vec, of_pgvector):
        try:
            out |= rivals(matrix, queries, right, n)
        except ImportError as error:
            print(f"passed over: {error.name} is not installed", file=sys.stderr)
    return out


def facts(
    find: Callable[[int], Any], right: list[np.ndarray], n: int, **more: dict[str, float]
) -> dict[str, Any]:
    """Times of `find`, which names the ten rows nearest to a query, and its recall."""
    hits = [len(set(map(int, find(i))) & set(right[i].tolist())) / TEN for i in range(min(n, 10))]
    return {"one": timed(find, n), "recall": float(np.mean(hits)), **more}


def of_faiss(
    matrix: np.ndarray, queries: np.ndarray, right: list[np.ndarray], n: int
) -> dict[str, dict[str, Any]]:
    """Both indexes, with as many threads as faiss takes."""
    import faiss

    d, out = matrix.shape[1], {}
    for name, index in (
        ("faiss flat", faiss.IndexFlatL2(d)),
        ("faiss fp16", faiss.IndexScalarQuantizer(d, faiss.ScalarQuantizer.QT_fp16)),
    ):
        index.train(matrix[:1000])
        index.add(matrix)
        many = timed(lambda _, x=index: x.search(queries[:MANY], TEN), 3)
        find = lambda i, x=index: x.search(queries[i : i + 1], TEN)[1][0]  # noqa: E731
        out[name] = facts(find, right, n, **{str(MANY): many})
    return out


def of_sqlite_vec(
    matrix: np.ndarray, queries: np.ndarray, right: list[np.ndarray], n: int
) -> dict[str, dict[str, Any]]:
    """A scan of a table in a file."""
    import apsw
    import sqlite_vec

    with tempfile.TemporaryDirectory() as folder:
        connection = apsw.Connection(str(Path(folder) / "vec.db"))
        connection.enable_load_extension(True)
        connection.load_extension(sqlite_vec.loadable_path())
        connection.execute(f"CREATE VIRTUAL TABLE v USING vec0(x float[{matrix.shape[1]}])")
        with connection:
            connection.executemany(
                "INSERT INTO v (rowid, x) VALUES (?, ?)",
                ((i, row.tobytes()) for i, row in enumerate(matrix)),
            )
        query = f"SELECT rowid FROM v WHERE x MATCH ? ORDER BY distance LIMIT {TEN}"

        def find(i: int) -> list[int]:
            return [row[0] for row in connection.execute(query, (queries[i].tobytes(),))]

        try:
            return {"sqlite-vec": facts(find, right, min(n, 10))}
        finally:
            connection.close()


def of_pgvector(
    matrix: np.ndarray, queries: np.ndarray, right: list[np.ndarray], n: int
) -> dict[str, dict[str, Any]]:
    """A scan, then an HNSW index, on a server of its own."""
    import pgserver
    import psycopg

    d, out = matrix.shape[1], {}
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        server = pgserver.get_server(Path(folder) / "server", cleanup_mode="delete")
        try:
            with psycopg.connect(server.get_uri(), autocommit=True) as connection:
                connection.execute("CREATE EXTENSION vector")
                connection.execute(f"CREATE TABLE v (id INT PRIMARY KEY, x vector({d}))")
                with connection.cursor().copy("COPY v FROM STDIN") as copy:
                    for i, row in enumerate(matrix):
                        copy.write(f"{i}\t[{','.join(map(str, row.tolist()))}]\n")
                connection.execute("VACUUM ANALYZE v")
                asked = [f"[{','.join(map(str, q.tolist()))}]" for q in queries]
                query = f"SELECT id FROM v ORDER BY x <-> %s LIMIT {TEN}"

                def find(i: int) -> list[int]:
                    return [row[0] for row in connection.execute(query, (asked[i],))]

                out["pgvector"] = facts(find, right, min(n, 10))
                if len(matrix) > HNSW_ROWS:
                    return out
                connection.execute("SET maintenance_work_mem = '4GB'")
                connection.execute("CREATE INDEX ON v USING hnsw (x vector_l2_ops)")
                out["pgvector hnsw"] = facts(find, right, n)
        finally:
            server.cleanup()
    return out
