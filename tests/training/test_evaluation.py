from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from reid import to_input  # noqa: E402
from reid.network import ResolutionAdaptiveNet, normalise  # noqa: E402
from training.datasets import Crop  # noqa: E402
from training.evaluation import (  # noqa: E402
    NaiveMatcher,
    NetworkMatcher,
    evaluate_market,
    evaluate_mlr,
    evaluate_trial,
)
from training.protocol import Protocol, Trial, split_identities, trials  # noqa: E402
from training.rates import shrink_by  # noqa: E402
from training.recipe import Recipe  # noqa: E402

from .conftest import people  # noqa: E402

CPU = torch.device("cpu")
RECIPE = Recipe(backbone="resnet18-half", size=(32, 16), sizes=(4, 8, 4, 8))
CROPS = people(8, 4, "all")


def network(seed: int = 0, **switches: bool) -> ResolutionAdaptiveNet:
    torch.manual_seed(seed)
    return ResolutionAdaptiveNet("resnet18-half", RECIPE.sizes, **switches).eval()


def literal(net: ResolutionAdaptiveNet, crop: Crop, rate: float, level: int) -> np.ndarray:
    image = torch.from_numpy(to_input(shrink_by(crop.image, rate), (32, 16)))[None]
    with torch.no_grad():
        return net(normalise(image), torch.tensor([level]))[0].numpy()


@pytest.mark.parametrize("gallery", ["own", "query"])
@pytest.mark.parametrize("assigned", [{}, {3: 2}, {3: 4}])
def test_distances_are_equation_2(gallery: str, assigned: dict[float, float]) -> None:
    net = network()
    matcher = NetworkMatcher(net, RECIPE, CPU, gallery=gallery, assigned=assigned)
    query, entries = CROPS[:3], CROPS[5:9]
    level = {2: 3, 3: 2, 4: 1}[assigned.get(3, 3)]
    length = sum(RECIPE.sizes[:level])
    found = matcher.distances(query, 3, entries)
    for i, q in enumerate(query):
        for j, g in enumerate(entries):
            a = literal(net, q, 3, level)[:length]
            b = literal(net, g, 1, 4 if gallery == "own" else level)[:length]
            assert found[i, j] == pytest.approx(((a - b) ** 2).sum(), rel=1e-3, abs=1e-4)


def test_without_varying_length_all_dimensions_count() -> None:
    net = network(varying_length=False)
    matcher = NetworkMatcher(net, replace(RECIPE, varying_length=False), CPU)
    a, b = literal(net, CROPS[0], 4, 1), literal(net, CROPS[5], 1, 4)
    found = matcher.distances(CROPS[:1], 4, CROPS[5:6])
    assert found[0, 0] == pytest.approx(((a - b) ** 2).sum(), rel=1e-3)


def test_the_naive_solution_shrinks_the_gallery_too() -> None:
    nets = {rate: network(int(rate), masks=False, varying_length=False) for rate in (2.0, 3.0)}
    recipe = replace(RECIPE, rates=(2,), sizes=(24,), varying_length=False)
    matcher = NaiveMatcher(nets, recipe, CPU)
    for rate, net in nets.items():
        a, b = literal(net, CROPS[0], rate, 1), literal(net, CROPS[5], rate, 1)
        found = matcher.distances(CROPS[:1], rate, CROPS[5:6])
        assert found[0, 0] == pytest.approx(((a - b) ** 2).sum(), rel=1e-3)


class Ideal:
    """Knows who is who, but for one query."""

    def __init__(self, wrong: Crop) -> None:
        self.wrong = wrong
        self.rates: list[float] = []

    def distances(self, query: Sequence[Crop], rate: float, gallery: Sequence[Crop]) -> np.ndarray:
        self.rates += [rate] * len(query)
        right = [[q.identity == g.identity for g in gallery] for q in query]
        flip = np.array([[q is self.wrong] for q in query])
        return 1 - (np.array(right) ^ flip).astype(np.float32)


def test_each_query_meets_the_gallery_at_its_rate() -> None:
    split = split_identities(CROPS, 0)
    protocol = Protocol(trials=1)
    trial = trials(CROPS, split.test, protocol)[0]
    ideal = Ideal(CROPS[trial.query[0]])
    found = evaluate_trial(ideal, CROPS, trial)
    assert sorted(ideal.rates) == sorted(trial.rate)
    assert found.rank1 == pytest.approx(100 * (1 - 1 / len(trial.query)))
    assert evaluate_mlr(ideal, CROPS, split, protocol) == found


def test_the_standard_evaluation_passes_over_the_own_camera() -> None:
    blank = np.zeros((4, 2, 3), np.uint8)
    crops = [
        Crop(blank, "m/test/1", 1, "q", "query"),
        Crop(blank, "m/test/1", 1, "same", "gallery"),
        Crop(blank, "m/test/2", 1, "other", "gallery"),
        Crop(blank, "m/test/1", 2, "right", "gallery"),
    ]

    class ByName:
        def distances(
            self, query: Sequence[Crop], rate: float, gallery: Sequence[Crop]
        ) -> np.ndarray:
            return np.array([[{"same": 0, "other": 1, "right": 2}[g.name] for g in gallery]])

    found = evaluate_market(ByName(), crops)
    assert (found.rank1, found.rank(2), found.mean_precision) == (0, 100, 50)
    assert evaluate_trial(ByName(), crops, Trial((1, 2, 3), (0,), (1.0,))).rank1 == 100
