"""The paper's tables as data: each row a change of one recipe, beside what the paper reports."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Ranks = tuple[float, ...]

PLAIN = {"masks": False, "varying_length": False, "progressive": False}
COARSE = {"rates": (8, 4, 2, 1)}
SEEN = {"rates": (6, 3, 2, 1)}
JOINT = {"progressive": False}
STAGED = {"progressive": True}


@dataclass(frozen=True)
class Row:
    """One line of a table.

    Args:
        name: as the paper calls it. changes: of the recipe's fields.
        recipe: the named recipe that is changed, the table's if empty.
        naive: a network a rate instead of one for all (Table III).
        query: the rates of the queries, the protocol's if empty. assigned: see `NetworkMatcher`.
        published: rank 1, 5, 10 in percent by set, as the paper has them.
    """

    name: str
    changes: Mapping[str, Any] = field(default_factory=dict)
    recipe: str = ""
    naive: bool = False
    query: tuple[float, ...] = ()
    assigned: Mapping[float, float] = field(default_factory=dict)
    published: Mapping[str, Ranks] = field(default_factory=dict)


def _three(caviar: Ranks, cuhk03: Ranks, market: Ranks) -> dict[str, Ranks]:
    return {"caviar": caviar, "cuhk03": cuhk03, "market1501": market}


def _cuhk03(*ranks: float) -> dict[str, Ranks]:
    return {"cuhk03": ranks}


_OURS = _three((63.6, 79.2, 96.6), (89.2, 98.9, 99.8), (90.1, 96.2, 97.7))

_UNSEEN: dict[tuple[float, float], tuple[Ranks, Ranks]] = {
    (3, 2): ((83.4, 97.2, 98.6), (79.5, 96.4, 98.6)),
    (3, 4): ((83.0, 96.9, 98.6), (79.8, 96.5, 98.4)),
    (3, 0): ((85.6, 97.3, 98.6), (81.5, 96.9, 98.6)),
    (6, 4): ((80.5, 96.4, 98.6), (76.5, 95.7, 98.1)),
    (6, 8): ((81.0, 96.8, 98.8), (77.9, 96.2, 98.6)),
    (6, 0): ((84.1, 97.2, 98.6), (79.7, 96.6, 98.7)),
}
"""Table V: (rate, the one as which it is treated, 0 if it was trained), progressive and not."""

TABLES: dict[str, tuple[Row, ...]] = {
    "components": (
        Row(
            "IDE + Verif",
            PLAIN,
            published=_three((33.2, 56.4, 65.2), (76.5, 95.7, 98.2), (81.6, 92.0, 95.1)),
        ),
        Row(
            "without masks",
            {"masks": False, "progressive": False},
            published=_three((57.4, 69.5, 75.6), (85.0, 97.2, 98.6), (85.1, 94.2, 96.5)),
        ),
        Row(
            "without varying length",
            {"varying_length": False, **STAGED},
            published=_three((57.2, 71.6, 77.2), (85.8, 97.4, 98.7), (89.3, 95.8, 97.4)),
        ),
        Row(
            "without varying length, end-to-end",
            {"varying_length": False, **JOINT},
            published=_three((48.7, 68.7, 75.6), (85.0, 97.1, 98.6), (89.1, 95.6, 97.4)),
        ),
        Row(
            "masks and varying length, end-to-end",
            JOINT,
            published=_three((58.2, 73.4, 89.8), (87.3, 97.7, 98.7), (89.5, 95.8, 97.4)),
        ),
        Row("masks and varying length", STAGED, published=_OURS),
    ),
    "naive": (
        Row(
            "a network a rate",
            PLAIN,
            naive=True,
            published=_three((18.1, 44.8, 56.4), (83.3, 96.0, 97.1), (85.6, 94.2, 96.0)),
        ),
        Row(
            "end-to-end",
            JOINT,
            published=_three((58.2, 73.4, 89.8), (87.3, 97.7, 98.7), (89.5, 95.8, 97.4)),
        ),
        Row("progressive", STAGED, published=_OURS),
    ),
    "losses": (
        Row("both losses", published=_cuhk03(89.2, 98.9, 99.8)),
        Row("without identity loss", {"identity": 0.0}, published=_cuhk03(77.4, 94.9, 97.4)),
        Row(
            "without verification loss", {"verification": 0.0}, published=_cuhk03(76.3, 94.5, 97.0)
        ),
    ),
    "unseen": tuple(
        Row(
            f"{rate:g} as {as_:g}{ending}" if as_ else f"{rate:g}, trained{ending}",
            {**(COARSE if as_ else SEEN), **regime},
            query=(rate,),
            assigned={rate: as_} if as_ else {},
            published={"cuhk03": published[index]},
        )
        for regime, ending, index in ((STAGED, "", 0), (JOINT, ", end-to-end", 1))
        for (rate, as_), published in _UNSEEN.items()
    ),
    "recipes": (Row("paper", published=_OURS), Row("best", recipe="best")),
    "ingredients": (
        Row("best", recipe="best"),
        Row("without batch norm behind the vector", {"neck": False}, recipe="best"),
        Row("without contrastive loss", {"contrastive": 0.0}, recipe="best"),
        Row("without prefix loss", {"prefix": 0.0}, recipe="best"),
        Row("without copies in one batch", {"copies": False, "prefix": 0.0}, recipe="best"),
        Row("without label smoothing", {"smoothing": 0.0}, recipe="best"),
        Row("without scaled vectors", {"scale": 0.0}, recipe="best"),
        Row("without erasing", {"erase": 0.0}, recipe="best"),
        Row("without averaged weights", {"ema": 0.0}, recipe="best"),
        Row("distance of Eq. 2", {"normalised": False}, recipe="best"),
        Row("with power-mean pooling", {"power_mean": True}, recipe="best"),
        Row("progressive", STAGED, recipe="best"),
    ),
}
"""Tables II to V, and what each ingredient of the recipe ``best`` is worth."""
