from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from reid import Embedder, ReidError  # noqa: E402
from reid.network import (  # noqa: E402
    GeneralisedMean,
    ResolutionAdaptiveNet,
    ResolutionMask,
    normalise,
)
from training.calibrate import flat_calibration  # noqa: E402
from training.errors import TrainingError  # noqa: E402
from training.export import describe, write_onnx  # noqa: E402
from training.recipe import Recipe  # noqa: E402
from training.run import Run  # noqa: E402

SIZES = (16, 8, 24, 16)
RECIPE = Recipe(size=(64, 32), sizes=SIZES)
RUN = Run(RECIPE, ("set",), 0, "area", "random", 128.0)


@pytest.fixture(scope="module")
def network() -> ResolutionAdaptiveNet:
    torch.manual_seed(0)
    return ResolutionAdaptiveNet("resnet18-half", SIZES).eval()


def pictures(n: int) -> np.ndarray:
    return np.random.default_rng(n).integers(0, 256, (n, 64, 32, 3), dtype=np.uint8)


def test_mask_equals_equation_3() -> None:
    mask = ResolutionMask(5, 3)
    x, level = torch.randn(4, 5, 2, 2), torch.tensor([1, 3, 2, 3])
    literal = torch.zeros_like(x)
    for n in range(4):
        for k in range(1, 4):
            s = 1.0 if level[n] == k else 0.0
            literal[n] += s * x[n] * torch.sigmoid(mask.weight[k - 1])[:, None, None]
    torch.testing.assert_close(mask(x, level), literal)
    half = mask(x.bfloat16(), level)
    assert half.dtype == torch.bfloat16
    torch.testing.assert_close(half.float(), literal, rtol=2e-2, atol=1e-3)


def test_a_level_fills_its_prefix_and_nothing_more(network: ResolutionAdaptiveNet) -> None:
    images = normalise(torch.from_numpy(pictures(4)))
    with torch.no_grad():
        z = network(images, torch.tensor([1, 2, 3, 4]))
    for row, length in enumerate((16, 24, 48, 64)):
        assert (z[row, length:] == 0).all()
        assert (z[row, :length] != 0).all()


def test_mixed_levels_in_a_batch_equal_single_ones(network: ResolutionAdaptiveNet) -> None:
    images, level = normalise(torch.from_numpy(pictures(4))), torch.tensor([2, 4, 1, 3])
    with torch.no_grad():
        together = network(images, level)
        alone = torch.cat([network(images[i : i + 1], level[i : i + 1]) for i in range(4)])
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=1e-5)


def test_mechanisms_switch_off() -> None:
    plain = ResolutionAdaptiveNet("resnet18-half", SIZES, masks=False, varying_length=False).eval()
    image = normalise(torch.from_numpy(pictures(1)))
    with torch.no_grad():
        low, high = plain(image, torch.tensor([1])), plain(image, torch.tensor([4]))
    torch.testing.assert_close(low, high)
    assert (low != 0).all()
    with pytest.raises(ReidError, match="resnet50"):
        ResolutionAdaptiveNet("vgg", SIZES)


def test_exported_file_equals_torch_at_every_level(
    network: ResolutionAdaptiveNet, tmp_path: Path
) -> None:
    for parameter in network.parameters():
        parameter.data = parameter.data.half().float()
    path = tmp_path / "small.onnx"
    write_onnx(network, RECIPE, path)
    info = describe(path, "small", RUN, flat_calibration(4))
    embedder = Embedder.load(path, "cpu")
    assert embedder.info.to_json() == info.to_json()
    assert info.levels.heights == (32, 43, 64, 128)
    images = pictures(7)
    for level in (1, 2, 3, 4):
        found = embedder.embed(list(images), levels=[level] * 7)
        with torch.no_grad():
            expected = network(normalise(torch.from_numpy(images)), torch.full((7,), level)).numpy()
        np.testing.assert_allclose(found.vectors, expected, atol=1e-4)


def test_a_network_without_varying_length_is_no_embedder(tmp_path: Path) -> None:
    plain = ResolutionAdaptiveNet("resnet18-half", SIZES, varying_length=False)
    with pytest.raises(TrainingError, match="varying length"):
        write_onnx(plain, Recipe(sizes=SIZES, varying_length=False), tmp_path / "a.onnx")


@pytest.mark.parametrize("exponent", [1.0, 3.0, 30.0])
def test_power_mean_lies_between_average_and_maximum(exponent: float) -> None:
    pool = GeneralisedMean()
    torch.nn.init.constant_(pool.exponent, exponent)
    x = torch.rand(3, 5, 4, 2) + 0.01
    found = pool(x)
    literal = torch.stack([(c**exponent).mean() for c in x.flatten(0, 1)]) ** (1 / exponent)
    torch.testing.assert_close(found.flatten(), literal)
    assert (found >= x.mean((2, 3)) - 1e-5).all()
    assert (found <= x.amax((2, 3)) + 1e-5).all()


def test_fingerprint_tells_weights_apart(network: ResolutionAdaptiveNet, tmp_path: Path) -> None:
    a, b = tmp_path / "a.onnx", tmp_path / "b.onnx"
    write_onnx(network, RECIPE, a)
    write_onnx(ResolutionAdaptiveNet("resnet18-half", SIZES).eval(), RECIPE, b)
    one = describe(a, "a", RUN, flat_calibration(4))
    assert one.fingerprint == describe(a, "renamed", RUN, flat_calibration(4)).fingerprint
    assert one.fingerprint != describe(b, "a", RUN, flat_calibration(4)).fingerprint
