"""A program that begins runs to be killed: ``python runs.py CLIP FOLDER``.

For each word on standard input it forks a run into ``FOLDER/WORD.db`` and says its process id; the
run says each frame that is done, and ``end``. Forking saves the time of the imports.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from pipeline import Settings, process


def say(word: object) -> None:
    """In one piece, so that a kill leaves no half of a line for the next word to go on."""
    os.write(sys.stdout.fileno(), f"{word}\n".encode())


def run(clip: str, folder: Path, name: str) -> None:
    """A whole run in small steps."""
    process(
        [f"near={clip}"],
        folder / f"{name}.db",
        folder / name,
        device="cpu",
        settings=Settings(commit_seconds=0.3),
        progress=lambda _camera, frame, _count: say(frame),
    )
    say("end")


def main(clip: str, folder: Path) -> None:
    """Forks a run a line; a run that is over keeps its process id until the next one."""
    child = 0
    for line in sys.stdin:
        if child:
            os.waitpid(child, 0)
        child = os.fork()
        if not child:
            run(clip, folder, line.strip())
            os._exit(0)
        say(child)
        os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
        say("over")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
