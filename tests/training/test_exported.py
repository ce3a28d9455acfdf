from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from reid import Embedder  # noqa: E402
from reid.network import normalise  # noqa: E402
from training.calibrate import flat_calibration  # noqa: E402
from training.camera import CameraBatches, Data  # noqa: E402
from training.errors import TrainingError  # noqa: E402
from training.export import describe, write_onnx  # noqa: E402
from training.exported import take_exported  # noqa: E402
from training.fit import Extras, fit  # noqa: E402
from training.learner import Batch, network_of  # noqa: E402
from training.recipe import RECIPES  # noqa: E402
from training.run import Run, weights_at, with_digest  # noqa: E402
from training.trainer import Trainer  # noqa: E402

from .conftest import people  # noqa: E402

RECIPE = replace(
    RECIPES["camera"],
    size=(64, 32),
    small_until=0,
    epochs=2,
    persons=3,
    sizes=(8, 8, 8, 8),
    lr=1e-3,
)
CPU = torch.device("cpu")


def source() -> CameraBatches:
    crops = people()
    return CameraBatches(Data(crops, np.zeros((len(crops), 0), np.float32)), RECIPE)


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network that has learned a little, as a file."""
    trainer = Trainer(RECIPE, source(), CPU)
    for _ in trainer.run(lambda row: None):
        pass
    path = tmp_path_factory.mktemp("exported") / "small.onnx"
    write_onnx(trainer.network.eval(), RECIPE, path)
    run = Run(RECIPE, ("set",), 0, "area", "random", 192.0)
    describe(path, "small", run, flat_calibration(4))
    return path


def batches() -> list[Batch]:
    return [source().batch(step) for step in range(6)]


def vectors(path: Path, batch: Batch) -> np.ndarray:
    embedder = Embedder.load(path, "cpu")
    session = embedder._session
    return session.run(None, {"images": batch.images.numpy(), "level": batch.level.numpy()})[0]


def test_the_network_computes_what_the_file_computes(exported: Path) -> None:
    network = network_of(RECIPE)
    take_exported(network, exported, batches())
    network.eval()
    for batch in batches()[:2]:
        with torch.no_grad():
            found = network(normalise(batch.images), batch.level)
        np.testing.assert_allclose(found.numpy(), vectors(exported, batch), rtol=1e-3, atol=1e-3)


def test_norms_say_the_same_with_the_figures_of_a_batch(exported: Path) -> None:
    network = network_of(RECIPE)
    take_exported(network, exported, batches())
    every = [torch.cat([getattr(b, name) for b in batches()]) for name in ("images", "level")]
    with torch.no_grad():
        wanted = network.eval()(normalise(every[0]), every[1])
        stem = network.stem(normalise(every[0]))
        found = network.train().stem(normalise(every[0]))
    torch.testing.assert_close(found, stem, rtol=1e-3, atol=1e-3)
    assert wanted.abs().max() > 0


def test_training_goes_on_from_a_file(exported: Path, tmp_path: Path) -> None:
    run = Run(RECIPE, ("set",), 0, "area", str(exported), 192.0)
    fit(people(), run, tmp_path / "on", CPU, None, Extras())
    assert Run.read(tmp_path / "on").init.startswith("small.onnx sha256:")
    assert (tmp_path / "on" / "weights.safetensors").exists()
    fit(people(), run, tmp_path / "on", CPU)
    with pytest.raises(TrainingError, match="other settings"):
        fit(people(), replace(run, init="random"), tmp_path / "on", CPU)


def test_what_ships_is_at_hand_by_name() -> None:
    assert weights_at("packaged").name == "embedder.onnx"
    assert with_digest("packaged").startswith("packaged sha256:")


@pytest.mark.parametrize("change", [{"backbone": "resnet18"}, {"sizes": (8, 8, 8, 4)}])
def test_a_file_of_another_network_is_refused(exported: Path, change: dict) -> None:
    with pytest.raises(TrainingError, match="another backbone, or of other levels"):
        take_exported(network_of(replace(RECIPE, **change)), exported, batches())


def test_a_file_that_is_none_is_refused(tmp_path: Path) -> None:
    (tmp_path / "none.onnx").write_bytes(b"nothing")
    with pytest.raises(TrainingError, match="no embedder to start from"):
        take_exported(network_of(RECIPE), tmp_path / "none.onnx", batches())
