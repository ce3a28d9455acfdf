"""The site file: cameras, their sources and starts, which overlap, how far apart they are."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from tracker import Constraints, LinkSettings

from .cut import Cut
from .errors import CallError, SiteError
from .files import can_name_files
from .units import parse_age


def _utc(time: datetime) -> datetime:
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)


def _two_cameras(pair: list[str]) -> list[str]:
    if len(set(pair)) != 2:
        raise ValueError("names two different cameras")
    return pair


def _can_name_files(name: str) -> str:
    if not can_name_files(name):
        raise ValueError("a camera's name must be able to name files, without / and =")
    return name


def _topic(topic: str) -> str:
    if not topic or any(c in topic for c in "+#\0"):
        raise ValueError("a topic to publish under has no +, # or nothing in it")
    return topic


def _device(source: object) -> object:
    if isinstance(source, int) and not isinstance(source, bool) and source >= 0:
        return str(int(source))
    return source


def _age(text: object) -> float | None:
    try:
        return None if text is None else parse_age(str(text))
    except CallError as error:
        raise ValueError(str(error)) from error


Name = Annotated[str, AfterValidator(_can_name_files)]
Pair = Annotated[list[str], AfterValidator(_two_cameras)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Camera(_Strict):
    """One camera.

    Args:
        source: a file or folder, relative to the site file; or what can be watched: the URL of a
            stream or the number of a device, with ``${NAME}`` for secrets of the environment and
            ``${file:PATH}`` for those in files.
        start: time of a recording's first frame, UTC where no zone is written.
        native_scale: how many pixels of the stored picture make one that the sensor saw (2 for a
            picture enlarged twofold).
        input_size: longest side in pixels to which its frames are brought to look for people;
            larger finds people who are farther away, at a cost that grows with its square. None
            is the detector's own.
        transport: how RTSP brings a live stream. fps: frames a second of it to look at, at most.
    """

    source: Annotated[str, BeforeValidator(_device)] | None = None
    start: Annotated[datetime, AfterValidator(_utc)] | None = None
    native_scale: float = Field(default=1.0, gt=0, allow_inf_nan=False)
    input_size: int | None = Field(default=None, ge=32, le=8192)
    transport: Literal["tcp", "udp"] = "tcp"
    fps: float | None = Field(default=None, gt=0, allow_inf_nan=False)

    @property
    def is_live(self) -> bool:
        """Whether its source is a stream or a device, and no recording."""
        source = self.source or ""
        return source.isdecimal() or "://" in source or source.startswith(("/dev/video", "${"))


class Travel(_Strict):
    """The least seconds that a person needs from one camera to the other."""

    between: Pair
    seconds: float = Field(ge=0, allow_inf_nan=False)


WEBHOOKS, BROKERS = ("http", "https"), ("mqtt", "mqtts")
"""Schemes of those who are told of alerts."""


def has_host(url: str, schemes: Sequence[str]) -> bool:
    """Whether it is a whole URL of one of the schemes."""
    try:
        parts = urlsplit(url)
        return parts.scheme in schemes and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def _of(schemes: Sequence[str]) -> AfterValidator:
    """A URL of one of the schemes, as far as it does not stand in a secret."""

    def check(url: str) -> str:
        filled = re.sub(r"\$\{[^{}]*\}", "1", url)
        if not url.startswith("${") and not has_host(filled, schemes):
            raise ValueError("write " + " or ".join(f"{scheme}://HOST" for scheme in schemes))
        return url

    return AfterValidator(check)


class Webhook(_Strict):
    """Where alerts are sent; both may hold ``${NAME}`` and ``${file:PATH}``.

    `secret` signs the messages; without one they are not signed.
    """

    url: Annotated[str, _of(WEBHOOKS)]
    secret: str | None = None


class Mqtt(_Strict):
    """A broker that is told of alerts: ``mqtt://`` or ``mqtts://``, with ``${NAME}`` and
    ``${file:PATH}`` for its user and password."""

    url: Annotated[str, _of(BROKERS)]
    topic: Annotated[str, AfterValidator(_topic)] = "nearfar/alerts"


class Alerts(_Strict):
    """When persons on the watch list raise alerts.

    Args:
        false_alarms_per_day: that are put up with, over all cameras and persons. More of them find
            more of those who are looked for.
        visit_seconds: unseen on a camera for so long, a person who comes again is a new visit.
    """

    false_alarms_per_day: float = Field(default=1.0, gt=0, allow_inf_nan=False)
    visit_seconds: float = Field(default=60.0, gt=0, allow_inf_nan=False)
    webhook: Webhook | None = None
    mqtt: Mqtt | None = None

    @property
    def are_sent(self) -> bool:
        """Whether anybody is told of them."""
        return self.webhook is not None or self.mqtt is not None


class Linking(_Strict):
    """How much it takes to link over cameras.

    Args:
        prior: see `LinkSettings`; below the default fewer are linked, and fewer wrongly.
        window: tracks that begin within so long are linked first, then over these windows; an age
            like ``24h``, in seconds here. None links all at once.
    """

    prior: float = Field(default=LinkSettings().prior, allow_inf_nan=False)
    window: Annotated[float | None, BeforeValidator(_age)] = Field(default=None, gt=0)


class Site(_Strict):
    """A whole site.

    `overlaps` names the pairs of cameras that may see a person at the same moment. Where the key is
    missing, any two may; an empty list says that none do. `zones` names cameras that see the same
    people, whose tracks are linked first; those in none are one more zone.
    """

    cameras: dict[Name, Camera] = Field(default_factory=dict)
    overlaps: list[Pair] | None = None
    travel: list[Travel] = Field(default_factory=list)
    zones: dict[str, list[str]] = Field(default_factory=dict)
    linking: Linking = Field(default_factory=Linking)
    alerts: Alerts = Field(default_factory=Alerts)

    @property
    def link(self) -> LinkSettings:
        """What the linker is told."""
        return LinkSettings(prior=self.linking.prior)

    @property
    def cut(self) -> Cut:
        """In which parts linking is done."""
        zones = {camera: name for name, cameras in self.zones.items() for camera in cameras}
        return Cut(self.linking.window, zones)

    @property
    def starts(self) -> dict[str, float]:
        """UTC in seconds of each camera that names its start."""
        return {n: c.start.timestamp() for n, c in self.cameras.items() if c.start}

    @property
    def recordings(self) -> dict[str, str]:
        """The sources of the cameras that have one and are not live."""
        return {n: c.source for n, c in self.cameras.items() if c.source and not c.is_live}

    @property
    def constraints(self) -> Constraints:
        """What the linker must respect."""
        return Constraints(
            overlapping=None
            if self.overlaps is None
            else frozenset(frozenset(pair) for pair in self.overlaps),
            travel={frozenset(t.between): t.seconds for t in self.travel},
        )

    def native_scale(self, camera: str) -> float:
        """Stored pixels a sensor pixel; 1 for cameras that the file does not name."""
        return self.cameras[camera].native_scale if camera in self.cameras else 1.0

    def input_size(self, camera: str) -> int | None:
        """What its frames are brought to; None for cameras that the file does not name."""
        return self.cameras[camera].input_size if camera in self.cameras else None


def read_site(path: Path) -> Site:
    """Reads and checks a site file.

    Raises:
        SiteError: one line that names the file, the line and the key.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise SiteError(f"site file {path} can't be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise SiteError(f"site file {path} is no text: give the YAML file") from error
    try:
        data = YAML(typ="rt").load(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark
        where = f", line {mark.line + 1}" if mark else ""
        raise SiteError(f"{path}{where}: not YAML: {error.problem}") from error
    except YAMLError as error:
        line = text.count("\n", 0, getattr(error, "position", 0)) + 1
        reason = str(error).splitlines()[0]
        raise SiteError(f"{path}, line {line}: not YAML: {reason}") from error
    try:
        site = Site.model_validate(_plain(data) if data is not None else {})
    except ValidationError as error:
        first = error.errors()[0]
        keys = ".".join(str(k) for k in first["loc"]) or "the whole file"
        raise SiteError(
            f"{path}, line {_line(data, first['loc'])}: {keys}: {_said(first)}"
        ) from error
    _check_names(site, path, data)
    return site


def _check_names(site: Site, path: Path, data: Any) -> None:
    """Every camera that is named must stand under `cameras`, and in one zone at most."""
    named: list[tuple[tuple[Any, ...], list[str]]] = []
    named += [(("overlaps", i), pair) for i, pair in enumerate(site.overlaps or [])]
    named += [(("travel", i), t.between) for i, t in enumerate(site.travel)]
    named += [(("zones", zone), cameras) for zone, cameras in site.zones.items()]
    for where, names in named:
        for name in names:
            if name not in site.cameras:
                raise SiteError(
                    f"{path}, line {_line(data, where)}: {where[0]}: no camera {name!r}; "
                    f"cameras are {', '.join(site.cameras) or 'not given'}"
                )
    zone_of: dict[str, str] = {}
    for zone, cameras in site.zones.items():
        for name in cameras:
            if zone_of.setdefault(name, zone) != zone:
                raise SiteError(
                    f"{path}, line {_line(data, ('zones', zone))}: zones: camera {name!r} is in "
                    f"{zone_of[name]!r} too"
                )


def _said(error: Any) -> str:
    if error["type"] == "extra_forbidden":
        return "unknown key"
    if str(error["type"]).startswith("datetime"):
        return f"{error['input']!r} is no time: write 2026-01-31T08:00:00Z"
    if error["type"] == "model_type":
        return "should hold keys and values"
    return str(error["msg"]).removeprefix("Value error, ")


def _line(data: Any, location: tuple[Any, ...]) -> int:
    """Line, from 1, of the deepest key of `location` that the file holds."""
    line = 1
    for key in location:
        marks = getattr(getattr(data, "lc", None), "data", None) or {}
        held = {str(k): k for k in marks}.get(str(key))
        if held is None:
            break
        line = marks[held][0] + 1
        data = data[held]
    return line


def _plain(data: Any) -> Any:
    """Round-trip nodes as plain dicts and lists."""
    if isinstance(data, dict):
        return {str(k): _plain(v) for k, v in data.items()}
    if isinstance(data, list):
        return [_plain(v) for v in data]
    return data
