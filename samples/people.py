"""Who walks through the scene: build, gait and clothes of each person."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

Colour = tuple[int, int, int]

CLOTH: dict[str, Colour] = {
    "white": (232, 234, 236),
    "grey": (140, 138, 134),
    "charcoal": (66, 62, 60),
    "black": (38, 36, 36),
    "navy": (92, 54, 36),
    "blue": (190, 110, 50),
    "sky": (226, 184, 128),
    "teal": (132, 128, 32),
    "green": (74, 128, 58),
    "lime": (70, 196, 160),
    "olive": (58, 102, 104),
    "yellow": (64, 200, 240),
    "orange": (48, 128, 236),
    "red": (52, 48, 196),
    "burgundy": (56, 34, 112),
    "pink": (176, 140, 236),
    "purple": (150, 66, 112),
    "brown": (54, 80, 116),
    "beige": (160, 190, 214),
}
"""Clothing colours as BGR, 0 to 255."""

_UPPER = tuple(name for name in CLOTH if name not in ("charcoal", "brown"))
_LOWER = ("navy", "navy", "blue", "black", "charcoal", "grey", "beige", "brown", "olive", "white")
_SKIRT = ("black", "red", "navy", "grey", "charcoal", "teal", "burgundy", "beige", "white")
_SKIN: tuple[Colour, ...] = (
    (180, 202, 236),
    (158, 184, 226),
    (128, 160, 208),
    (96, 130, 184),
    (66, 96, 146),
    (46, 66, 104),
)
_HAIR: tuple[Colour, ...] = (
    (30, 28, 30),
    (34, 44, 62),
    (40, 62, 96),
    (74, 124, 168),
    (120, 176, 210),
    (40, 66, 150),
    (168, 168, 170),
)
_PATTERNS = (
    "plain",
    "plain",
    "stripes",
    "pinstripes",
    "checks",
    "yoke",
    "split",
    "logo",
    "band",
    "dots",
    "jacket",
)
_BAGS = ("none", "none", "backpack", "backpack", "shoulder", "handbag", "case")


@dataclass(frozen=True)
class Person:
    """One person. Colours are BGR (0 to 255), lengths metres, angles radians."""

    identity: int
    height: float
    girth: float
    shoulders: float
    skin: Colour
    hair: Colour
    hair_style: str
    beard: bool
    glasses: bool
    upper: Colour
    upper2: Colour
    pattern: str
    sleeve: str
    coat: bool
    legwear: str
    lower: Colour
    lower2: Colour
    lower_pattern: str
    shoes: Colour
    hat: str
    hat_colour: Colour
    bag: str
    bag_colour: Colour
    stride: float
    cadence: float
    arm_swing: float
    lean: float
    toe_out: float
    texture_seed: int


def _pick(rng: np.random.Generator, options: Sequence[str]) -> str:
    return options[int(rng.integers(len(options)))]


def _shade(rng: np.random.Generator, colour: Colour, spread: float = 14.0) -> Colour:
    change = rng.normal(0.0, spread * 0.5, 3) + rng.normal(0.0, spread * 0.6)
    muted = 0.86 * np.asarray(colour) + 0.14 * np.mean(colour)
    b, g, r = np.clip(muted + change, 14, 244).astype(int)
    return int(b), int(g), int(r)


def _draw(rng: np.random.Generator, identity: int) -> Person:
    slim = rng.random() < 0.5
    height = float(np.clip(rng.normal(1.68 if slim else 1.76, 0.075), 1.53, 1.92))
    pattern = _pick(rng, _PATTERNS)
    upper = _pick(rng, _UPPER)
    upper2 = _pick(rng, [name for name in _UPPER if name != upper])
    contrast = {"white": "navy", "black": "white", "navy": "white", "yellow": "black"}
    if pattern in ("stripes", "checks", "logo") and rng.random() < 0.5:
        upper2 = contrast.get(upper, "white")
    coat = bool(rng.random() < 0.16)
    if coat:
        pattern = _pick(rng, ("plain", "plain", "jacket"))
        upper = _pick(rng, ("beige", "navy", "black", "grey", "burgundy", "olive", "red", "teal"))
    legwear = _pick(rng, ("trousers",) * 6 + ("shorts",))
    if slim:
        legwear = _pick(rng, ("trousers",) * 6 + ("skirt", "skirt", "long skirt", "shorts"))
    if coat and legwear != "trousers":
        legwear = "trousers"
    lower = _pick(rng, _SKIRT if "skirt" in legwear else _LOWER)
    hair_styles = ("long", "long", "bob", "bun", "ponytail", "short")
    hair_style = _pick(rng, hair_styles if slim else ("short",) * 5 + ("bald", "ponytail"))
    skin = _SKIN[int(rng.integers(len(_SKIN)))]
    hairs = _HAIR if sum(skin) > 420 else _HAIR[:3]
    return Person(
        identity=identity,
        height=height,
        girth=float(np.clip(rng.normal(0.97 if slim else 1.06, 0.08), 0.86, 1.26)),
        shoulders=float(rng.normal(0.95 if slim else 1.04, 0.025)),
        skin=_shade(rng, skin, 7.0),
        hair=_shade(rng, hairs[int(rng.integers(len(hairs)))], 8.0),
        hair_style=hair_style,
        beard=bool(not slim and rng.random() < 0.35),
        glasses=bool(rng.random() < 0.25),
        upper=_shade(rng, CLOTH[upper]),
        upper2=_shade(rng, CLOTH[upper2]),
        pattern=pattern,
        sleeve="long" if coat else _pick(rng, ("long", "long", "short", "short", "contrast")),
        coat=coat,
        legwear=legwear,
        lower=_shade(rng, CLOTH[lower]),
        lower2=_shade(rng, CLOTH[_pick(rng, ("white", "black", "red", "yellow", "sky"))]),
        lower_pattern=_pick(rng, ("plain",) * 5 + ("side", "checks", "hem")),
        shoes=_shade(
            rng, CLOTH[_pick(rng, ("black", "white", "brown", "white", "charcoal", "black"))]
        ),
        hat=_pick(rng, ("none",) * 8 + ("cap", "beanie", "brim")),
        hat_colour=_shade(rng, CLOTH[_pick(rng, _UPPER)]),
        bag=_pick(rng, _BAGS),
        bag_colour=_shade(rng, CLOTH[_pick(rng, tuple(CLOTH))]),
        stride=float(rng.uniform(0.84, 1.12)),
        cadence=float(rng.uniform(0.84, 1.06)),
        arm_swing=float(rng.uniform(0.45, 1.15)),
        lean=float(rng.uniform(0.01, 0.09)),
        toe_out=float(rng.uniform(0.0, 0.22)),
        texture_seed=int(rng.integers(1 << 30)),
    )


def _look(person: Person) -> np.ndarray:
    """Coarse appearance as one vector, to keep the people of one scene apart."""
    wide = {"stripes": 1.0, "checks": 1.0, "yoke": 0.8, "split": 0.9, "jacket": 0.4, "band": 0.4}
    mix = 0.5 * wide.get(person.pattern, 0.2)
    upper = (1 - mix) * np.asarray(person.upper) + mix * np.asarray(person.upper2)
    extras = [
        40.0 * (person.pattern in wide),
        70.0 * person.coat,
        60.0 * ("skirt" in person.legwear),
        50.0 * (person.legwear == "shorts"),
        40.0 * (person.bag == "backpack"),
        30.0 * (person.hat != "none"),
        30.0 * (person.hair_style in ("long", "ponytail")),
        200.0 * (person.height - 1.7),
    ]
    return np.concatenate([upper, 0.8 * np.asarray(person.lower), extras])


def make_people(seed: int, count: int) -> list[Person]:
    """`count` people that differ from each other, the same for the same seed; identities from 1."""
    rng = np.random.default_rng([seed, 101])
    people: list[Person] = []
    looks: list[np.ndarray] = []
    for identity in range(1, count + 1):
        drawn = [_draw(rng, identity) for _ in range(24 if people else 1)]
        found = [_look(person) for person in drawn]
        apart = [min((float(np.linalg.norm(f - o)) for o in looks), default=0.0) for f in found]
        best = int(np.argmax(apart))
        people.append(drawn[best])
        looks.append(found[best])
    return people
