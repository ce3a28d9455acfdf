from dataclasses import replace
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from training.errors import TrainingError  # noqa: E402
from training.learner import network_of  # noqa: E402
from training.recipe import RECIPES, Recipe  # noqa: E402
from training.run import Run, load_average, load_network, save_weights  # noqa: E402

RECIPE = replace(RECIPES["camera"], size=(64, 32), sizes=(8, 8, 8, 8))


def a_run(folder: Path, recipe: Recipe = RECIPE, sets: tuple[str, ...] = ("a", "b")) -> Path:
    folder.mkdir()
    Run(recipe, sets, 0, "area", "random", 128.0).write(folder)
    save_weights(network_of(recipe), folder / "weights.safetensors")
    return folder


@pytest.mark.parametrize("share", [0.0, 0.35, 1.0])
def test_an_average_has_its_share_of_every_weight(tmp_path: Path, share: float) -> None:
    one, other = a_run(tmp_path / "one"), a_run(tmp_path / "other", replace(RECIPE, epochs=7))
    found, facts = load_average(one, other, share)
    a, b = load_network(one)[0].state_dict(), load_network(other)[0].state_dict()
    assert facts == Run.read(one)
    assert not found.training
    for name, value in found.state_dict().items():
        wanted = share * a[name] + (1 - share) * b[name] if value.is_floating_point() else a[name]
        torch.testing.assert_close(value, wanted)


@pytest.mark.parametrize(
    ("change", "sets"),
    [({"sizes": (8, 8, 8, 4)}, ("a", "b")), ({"neck": False}, ("a", "b")), ({}, ("a", "c"))],
)
def test_runs_of_other_networks_or_people_have_no_average(
    tmp_path: Path, change: dict, sets: tuple[str, ...]
) -> None:
    one = a_run(tmp_path / "one")
    other = a_run(tmp_path / "other", replace(RECIPE, **change), sets)
    with pytest.raises(TrainingError, match="only a run and what it went on from"):
        load_average(one, other, 0.5)
