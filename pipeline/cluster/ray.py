"""Ray as the engine that runs the work: how a cluster is joined, and tasks of recordings."""

from __future__ import annotations

import logging
import os
import signal
import socket
import threading
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit

from ..errors import CallError, PipelineError
from . import pieces, work

os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
try:
    import ray
except ImportError as missing:
    raise CallError(f"--ray needs what pip install 'nearfar[ray]' installs ({missing})") from None

RETRIES = 10
"""How often a task begins anew when its worker or node dies."""
GPU_SHARE = 0.25
"""Part of a GPU that a task asks for where the models run on one."""

KNOCK_SECONDS = 5.0
"""How long a cluster may take to answer; Ray itself waits for many minutes."""

Ref = Any
"""A result that is not there yet."""


def join(address: str) -> None:
    """Makes this process a driver of a cluster, until ``ray.shutdown``.

    Args:
        address: of a cluster (``ray://HOST:10001``, ``HOST:6379``, ``auto``), or ``local`` for
            workers on this machine that end with this process.

    Raises:
        PipelineError: no cluster answers there.
    """
    told: dict[str, Any] = {
        "configure_logging": False,
        "log_to_driver": False,
        "namespace": "nearfar",
    }
    logging.getLogger("ray").setLevel(logging.ERROR)
    stopping = signal.getsignal(signal.SIGTERM)
    try:
        if address == "local":
            ray.init(include_dashboard=False, **told)
        else:
            _knock(address)
            ray.init(address=address, **told)
    except (OSError, ValueError, RuntimeError) as error:
        reason = str(error).strip().splitlines()[0]
        raise PipelineError(
            f"no Ray cluster at {address}: {reason} (one that wants a token is joined with "
            "RAY_AUTH_MODE=token in the environment)"
        ) from error
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, stopping)  # Ray's own ends the program at once


class Workers:
    """The workers of a cluster.

    Args:
        address: see `join`. models: what they open.

    Raises:
        PipelineError: no cluster answers there.
    """

    def __init__(self, address: str, models: work.Models) -> None:
        join(address)
        needs: dict[str, Any] = {"num_cpus": 1, "max_retries": RETRIES}
        self._cut = ray.remote(**needs)(pieces.cut)
        self._link = ray.remote(**needs)(work.link)
        if models.device == "cuda":
            needs["num_gpus"] = GPU_SHARE
        self._models = ray.put(models)
        self._detect = ray.remote(**needs)(work.detect)
        self._embed = ray.remote(**needs)(work.embed)

    def __enter__(self) -> Workers:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        ray.shutdown()

    @property
    def count(self) -> int:
        """Tasks that can run at a time, now."""
        return max(1, int(ray.cluster_resources().get("CPU", 1)))

    def cut(self, *arguments: Any) -> Ref:
        """Begins `pieces.cut`."""
        return self._cut.remote(*arguments)

    def detect(self, *arguments: Any) -> Ref:
        """Begins `work.detect`; its arguments but the models."""
        return self._detect.remote(self._models, *arguments)

    def embed(self, *arguments: Any) -> Ref:
        """Begins `work.embed`; its arguments but the models."""
        return self._embed.remote(self._models, *arguments)

    def link(self, gallery: str, parts: Sequence[list[int]], how: Any) -> Iterator[Any]:
        """The results of `work.link` for some parts, in their order.

        Raises:
            PipelineError: the workers died time and again. StorageError: as `work.link`.
        """
        shared = ray.put(how)
        refs = [self._link.remote(gallery, part, shared) for part in parts]
        try:
            while refs:
                yield self.result(refs[0])
                del refs[0]
        finally:
            self.cancel(refs)

    @staticmethod
    def ready(refs: Sequence[Ref], seconds: float) -> list[Ref]:
        """Those that are there, after waiting for one at most so long."""
        return ray.wait(list(refs), num_returns=1, timeout=seconds)[0] if refs else []

    @staticmethod
    def result(ref: Ref) -> Any:
        """What the task returned; raises what it raised.

        Raises:
            PipelineError: its workers died time and again.
        """
        try:
            return ray.get(ref)
        except ray.exceptions.RayTaskError as error:
            raise error.cause from None
        except ray.exceptions.RayError as error:
            reason = str(error).strip().splitlines()[0]
            raise PipelineError(f"the workers failed: {reason}") from error

    @staticmethod
    def cancel(refs: Sequence[Ref]) -> None:
        """Calls off what is not there yet."""
        for ref in refs:
            ray.cancel(ref, force=False)


def _knock(address: str) -> None:
    """Makes sure that something listens at an address; raises OSError or ValueError if not."""
    where = urlsplit(address if "://" in address else f"//{address}")
    if where.hostname and where.port:
        socket.create_connection((where.hostname, where.port), KNOCK_SECONDS).close()
