"""Files of a data set, whether it lies in a folder or in a tar."""

from __future__ import annotations

import tarfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path, PurePosixPath

from .errors import TrainingError


@contextmanager
def opened(path: Path) -> Iterator[dict[str, Callable[[], bytes]]]:
    """Files under `path` by their names, in the order of names, each with what reads it.

    Raises:
        TrainingError: when `path` is neither a folder nor an uncompressed tar, or the tar is cut.
    """
    if path.is_dir():
        files = {f.relative_to(path).as_posix(): f.read_bytes for f in path.rglob("*")}
        yield {name: files[name] for name in sorted(files) if (path / name).is_file()}
        return
    try:
        tar = tarfile.open(path, "r:")  # noqa: SIM115 (closed below)
    except tarfile.TarError as error:
        raise TrainingError(f"{path} is neither a folder nor an uncompressed tar") from error
    with tar:
        members = {PurePosixPath(m.name).as_posix(): m for m in _members(tar, path) if m.isfile()}
        yield {name: partial(_content, tar, members[name]) for name in sorted(members)}


def _members(tar: tarfile.TarFile, path: Path) -> list[tarfile.TarInfo]:
    """All members of a tar that has its end mark; `tarfile` takes some cut ones for whole."""
    try:
        members = tar.getmembers()
        block = tarfile.BLOCKSIZE
        end = max((m.offset_data + -(-m.size // block) * block for m in members), default=0)
        assert tar.fileobj
        tar.fileobj.seek(end)
        whole = tar.fileobj.read(block) == bytes(block)
    except tarfile.ReadError:
        whole = False
    if not whole:
        raise TrainingError(
            f"{path} is cut off at {path.stat().st_size / 1e6:.1f} MB: copy the tar again"
        )
    return members


def _content(tar: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    content = tar.extractfile(member)
    return content.read() if content else b""
