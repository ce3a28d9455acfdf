"""What the pages share: pictures as data, colours, times, and the templates themselves."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from storage import Appearance, Gallery

from .annotate import colour
from .outputs import iso

DATED = 365 * 86_400.0
"""UTC in seconds from which a time has a date."""

FAR = 80
"""Height in pixels below which a picture is shown with its own pixels, not smoothed."""


@dataclass(frozen=True)
class Picture:
    """An appearance as a page shows it; `picture` is a data URL."""

    camera: str
    picture: str | None
    height: int | None
    level: int | None
    when: str
    far: bool


def render(template: str, **values: object) -> str:
    """A page of `templates/`, self-contained, everything escaped."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
    )
    return environment.get_template(template).render(version=version("nearfar"), **values)


def data_url(jpeg: bytes) -> str:
    """A JPEG inside the page."""
    return "data:image/jpeg;base64," + base64.b64encode(jpeg).decode()


def picture(gallery: Gallery, appearance: Appearance) -> Picture:
    """The best picture of an identity in one camera, with its height and level."""
    best = appearance.best
    crop = data_url(gallery.crop(best.crop)) if best and best.crop else None
    height = round(best.box[3]) if best else None
    return Picture(
        appearance.camera,
        crop,
        height,
        best.level if best else None,
        span(appearance.first, appearance.last),
        height is not None and height < FAR,
    )


def css_colour(identity: int) -> str:
    """The colour of an identity, the same as in annotated videos."""
    b, g, r = colour(identity)
    return f"#{r:02x}{g:02x}{b:02x}"


def has_date(time: float) -> bool:
    """Whether it is of the calendar: recordings without a start begin at second 0."""
    return time >= DATED


def clock(time: float) -> str:
    """Hour, minute and second: of UTC or, without a date, since the recording began."""
    if has_date(time):
        return iso(time)[11:19]
    minutes, seconds = divmod(int(time), 60)
    return f"{minutes // 60:02}:{minutes % 60:02}:{seconds:02}"


def span(first: float, last: float) -> str:
    """Two times of UTC for people: the day once if there is one, and seconds."""
    if not has_date(first):
        start, end = clock(first), clock(last)
        return start if start == end else f"{start} to {end}"
    a, b = iso(first), iso(last)
    day, start = a[:10], a[11:19]
    end = b[11:19] if b[:10] == day else b[:19].replace("T", " ")
    return f"{day} {start}" if start == end else f"{day} {start} to {end}"
