import pytest
from hypothesis import given
from hypothesis import strategies as st

from reid import LevelSet, ReidError

LEVELS = LevelSet((32, 64, 128, 256))


@pytest.mark.parametrize(
    ("height", "level"),
    [(5, 1), (32, 1), (45, 1), (46, 2), (64, 2), (90, 2), (91, 3), (181, 3), (182, 4), (1000, 4)],
)
def test_nearest_on_a_log_scale(height: float, level: int) -> None:
    assert LEVELS.level_of(height) == level


@given(st.floats(1, 2000), st.floats(1, 2000))
def test_taller_is_never_a_lower_level(a: float, b: float) -> None:
    low, high = sorted((a, b))
    assert LEVELS.level_of(low) <= LEVELS.level_of(high)


def test_hysteresis_keeps_a_track_from_flickering() -> None:
    border = (64 * 128) ** 0.5
    level, seen = 2, set()
    for height in (border * 1.03, border * 0.97) * 5:
        level = LEVELS.level_of(height, level)
        seen.add(level)
    assert seen == {2}
    assert LEVELS.level_of(border * 1.2, 2) == 3
    assert LEVELS.level_of(border * 0.8, 3) == 2


def test_hysteresis_does_not_hold_back_a_jump() -> None:
    assert LEVELS.level_of(250, 1) == 4


@pytest.mark.parametrize("heights", [(), (64, 32), (32, 32), (0, 32)])
def test_heights_must_ascend(heights: tuple[int, ...]) -> None:
    with pytest.raises(ReidError, match="ascending"):
        LevelSet(heights)


def test_no_height_is_an_error() -> None:
    with pytest.raises(ReidError, match="above 0"):
        LEVELS.level_of(0)
