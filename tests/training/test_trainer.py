import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

import training.trainer  # noqa: E402
from reid import ReidError  # noqa: E402
from reid.network import ResolutionAdaptiveNet  # noqa: E402
from training.errors import TrainingError  # noqa: E402
from training.fit import choose_device, fit  # noqa: E402
from training.rates import RateBatches  # noqa: E402
from training.recipe import RECIPES, Recipe  # noqa: E402
from training.run import Run, load_network, save_weights, start  # noqa: E402
from training.trainer import Trainer, learning_rate, train  # noqa: E402

from .conftest import people  # noqa: E402

CPU = torch.device("cpu")
SMALL = {
    "backbone": "resnet18-half",
    "size": (32, 16),
    "sizes": (8, 8, 8, 8),
    "persons": 3,
    "views": 2,
    "epochs": 4,
}
PAPER = replace(RECIPES["paper"], **SMALL)
BEST = replace(RECIPES["best"], **SMALL)


def trainer(recipe: Recipe) -> Trainer:
    return Trainer(recipe, RateBatches(people(), recipe, CPU), CPU)


def facts(recipe: Recipe, **changes: object) -> Run:
    return replace(Run(recipe, ("set",), 0, "area", "random", 192.0), **changes)


@pytest.mark.parametrize("recipe", [PAPER, BEST], ids=["paper", "best"])
@pytest.mark.parametrize("cut", [3, 9])
def test_a_resumed_run_equals_an_uninterrupted_one(
    recipe: Recipe, cut: int, tmp_path: Path
) -> None:
    whole = trainer(recipe)
    train(whole, tmp_path / "whole")
    stopped = trainer(recipe)
    (tmp_path / "cut").mkdir()
    for step in stopped.run(lambda row: None):
        if step == cut:
            break
    stopped.save(tmp_path / "cut" / "state.pt")
    resumed = trainer(recipe)
    train(resumed, tmp_path / "cut")
    assert resumed.step_number == whole.step_number == whole.total
    expected = whole.trained.state_dict()
    for name, value in resumed.trained.state_dict().items():
        assert torch.equal(value, expected[name]), name


def test_the_log_of_a_resumed_run_has_each_epoch_once(tmp_path: Path) -> None:
    train(trainer(PAPER), tmp_path / "whole")
    first = replace(PAPER, epochs=4)
    one = trainer(first)
    rows: list[dict[str, float]] = []
    for step in one.run(rows.append):
        if step == 9:
            break
    (tmp_path / "cut").mkdir()
    one.save(tmp_path / "cut" / "state.pt")
    names = list(rows[0])
    (tmp_path / "cut" / "log.csv").write_text(
        "\n".join([",".join(names), *(",".join(f"{r[n]:.6g}" for n in names) for r in rows)]) + "\n"
    )
    train(trainer(PAPER), tmp_path / "cut")
    assert (tmp_path / "cut" / "log.csv").read_text() == (
        tmp_path / "whole" / "log.csv"
    ).read_text()


def test_a_cut_while_saving_loses_no_row_of_the_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train(trainer(PAPER), tmp_path / "whole")
    monkeypatch.setattr("training.trainer.SAVE_EVERY", -1.0)
    write = training.trainer._write_log

    def cut(log: Path, rows: list[dict[str, str]]) -> None:
        if len(rows) == 2:
            raise KeyboardInterrupt
        write(log, rows)

    monkeypatch.setattr("training.trainer._write_log", cut)
    with pytest.raises(KeyboardInterrupt):
        train(trainer(PAPER), tmp_path / "cut")
    monkeypatch.setattr("training.trainer._write_log", write)
    train(trainer(PAPER), tmp_path / "cut")
    assert (tmp_path / "cut" / "log.csv").read_text() == (
        tmp_path / "whole" / "log.csv"
    ).read_text()


def test_frozen_masks_get_no_gradient_and_keep_their_bytes() -> None:
    run = trainer(PAPER)
    masks = run.network.masks
    assert masks is not None
    before = [m.weight.detach().clone() for m in masks]
    kept: dict[int, bytes] = {}
    for step in run.run(lambda row: None):
        stage = (step - 1) * 4 // run.total
        assert run.network.masked == stage + 1
        for i, mask in enumerate(masks):
            brought_in = 3 - i
            if brought_in == stage:
                assert mask.weight.grad is not None
                assert (mask.weight.grad != 0).any()
                kept[i] = mask.weight.detach().numpy().tobytes()
            else:
                assert mask.weight.grad is None
            if brought_in < stage:
                assert mask.weight.detach().numpy().tobytes() == kept[i]
            if brought_in > stage:
                assert torch.equal(mask.weight.detach(), before[i])
    assert all(not torch.equal(m.weight.detach(), b) for m, b in zip(masks, before, strict=True))


def test_end_to_end_trains_all_masks_at_once() -> None:
    run = trainer(replace(PAPER, progressive=False))
    next(run.run(lambda row: None))
    assert run.network.masks is not None
    assert all((m.weight.grad != 0).any() for m in run.network.masks)


def test_masks_of_later_stages_do_nothing_yet() -> None:
    torch.manual_seed(0)
    network = ResolutionAdaptiveNet("resnet18-half", (8, 8)).eval()
    assert network.masks is not None
    x, level = torch.randn(2, 3, 32, 16), torch.tensor([1, 2])
    network.masked = 1
    with torch.no_grad():
        found = network(x, level)
        maps = network.stem(x)
        for stage in network.stages:
            maps = stage(maps)
        literal = network.embed(network.masks[3](maps, level).mean((2, 3)))
        literal[0, 8:] = 0
    torch.testing.assert_close(found, literal)


def test_the_learning_rate_is_section_fours() -> None:
    joint = replace(RECIPES["paper"], progressive=False)
    rates = [learning_rate(joint, epoch, 120) for epoch in range(120)]
    assert rates[0] == pytest.approx(3.5e-5)
    assert rates[:10] == sorted(rates[:10])
    assert all(rate == pytest.approx(3.5e-4) for rate in rates[9:40])
    assert all(rate == pytest.approx(3.5e-5) for rate in rates[40:70])
    assert all(rate == pytest.approx(3.5e-6) for rate in rates[70:])
    staged = [learning_rate(RECIPES["paper"], epoch, 120) for epoch in range(120)]
    assert staged[30:60] == pytest.approx(staged[60:90])
    assert staged[30] == pytest.approx(3.5e-4)
    assert staged[59] == pytest.approx(3.5e-6)


@pytest.mark.parametrize(("recipe", "apart"), [("paper", False), ("best", False), ("camera", True)])
def test_decay_is_part_of_the_gradient_or_apart_from_it(recipe: str, apart: bool) -> None:
    made = replace(RECIPES[recipe], **SMALL, camera=False, decay=0.02)
    begun = trainer(made).network.stages[3][1].conv2.weight.detach().clone()
    weights = []
    for decay in (made.decay, 0.0):
        run = trainer(replace(made, decay=decay))
        next(run.run(lambda row: None))
        weights.append(run.network.stages[3][1].conv2.weight.detach())
    shrunk = -learning_rate(made, 0, run.total) * made.decay * begun
    assert torch.allclose(weights[0] - weights[1], shrunk, rtol=0, atol=1e-7) == apart


def test_each_mechanism_and_loss_is_a_field_of_the_recipe() -> None:
    for changes in (
        {"masks": False},
        {"varying_length": False},
        {"identity": 0.0},
        {"verification": 0.0},
        {"neck": True},
        {"power_mean": True},
    ):
        run = trainer(replace(PAPER, epochs=1, **changes))
        rows: list[dict[str, float]] = []
        for _ in run.run(rows.append):
            pass
        losses = set(rows[0]) - {"epoch", "stage", "lr"}
        assert losses == {"identity", "verification"} - {k for k, v in changes.items() if v == 0.0}


def test_a_run_folder_gives_the_network_back(tmp_path: Path) -> None:
    fit(people(), facts(PAPER), tmp_path / "run", CPU)
    network, run = load_network(tmp_path / "run")
    assert run == facts(PAPER)
    state = torch.load(tmp_path / "run" / "state.pt", weights_only=True)["learner"]
    for name, value in network.state_dict().items():
        assert torch.equal(value, state[f"network.{name}"])


def test_bad_folders_say_what_is_wrong(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="holds no run of nearfar train"):
        load_network(tmp_path)
    facts(PAPER).write(tmp_path)
    with pytest.raises(TrainingError, match="the run has not ended"):
        load_network(tmp_path)
    with pytest.raises(TrainingError, match="other settings"):
        fit(people(), facts(BEST), tmp_path, CPU)
    (tmp_path / "weights.safetensors").write_bytes(b"rubbish")
    with pytest.raises(TrainingError, match="doesn't fit"):
        load_network(tmp_path)
    (tmp_path / "weights.safetensors").unlink()
    (tmp_path / "state.pt").write_bytes(b"PK rubbish")
    with pytest.raises(TrainingError, match="can't be taken up"):
        fit(people(), facts(PAPER), tmp_path, CPU)


def test_weights_start_from_another_run(tmp_path: Path) -> None:
    given = ResolutionAdaptiveNet("resnet18-half", (8, 8), masks=False)
    save_weights(given, tmp_path / "weights.safetensors")
    for source in (tmp_path, tmp_path / "weights.safetensors"):
        taken = ResolutionAdaptiveNet("resnet18-half", (4, 4, 4))
        assert start(taken, str(source)).startswith(f"{source.name} sha256:")
        assert torch.equal(taken.stages[3][1].conv2.weight, given.stages[3][1].conv2.weight)
        assert not torch.equal(taken.embed[0].weight[:8], given.embed[0].weight[:8])
    with pytest.raises(TrainingError, match="fits another backbone"):
        start(ResolutionAdaptiveNet("resnet18", (4, 4)), str(tmp_path))
    with pytest.raises(TrainingError, match="no weights to start from"):
        start(given, str(tmp_path / "nowhere"))
    with pytest.raises(TrainingError, match="no ImageNet weights for resnet18-half"):
        start(given, "imagenet")


def test_devices_that_are_not_there_are_named() -> None:
    assert choose_device("cpu").type == "cpu"
    with pytest.raises(TrainingError, match="tpu"):
        choose_device("tpu")
    if not torch.cuda.is_available():
        with pytest.raises(TrainingError, match="cuda:0 is not there"):
            choose_device("cuda")


def test_an_unknown_backbone_is_a_training_error(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="resnet50"):
        fit(people(), facts(replace(PAPER, backbone="vgg")), tmp_path, CPU)
    with pytest.raises(ReidError):
        ResolutionAdaptiveNet("vgg", (4,))


TWO = """
import sys
from pathlib import Path
import torch
torch.set_num_threads(1)
sys.path[:0] = [{root!r}]
from tests.training.conftest import people
from tests.training.test_trainer import PAPER, facts, replace
from training.fit import fit
from training.progress import processes
import os, hashlib
recipe = replace(PAPER, persons=4)
with processes():
    from training import trainer
    held = []
    class Watched(trainer.Trainer):
        def __init__(self, *args):
            super().__init__(*args)
            held.append(self)
    import training.fit
    training.fit.Trainer = Watched
    fit(people(), facts(recipe), Path({out!r}), torch.device("cpu"))
    weights = b"".join(p.detach().numpy().tobytes() for p in held[0].network.parameters())
    Path({out!r}, "rank" + os.environ["RANK"]).write_text(hashlib.sha256(weights).hexdigest())
"""


def test_two_processes_train_one_network(tmp_path: Path) -> None:
    root, out = str(Path(__file__).parents[2]), tmp_path / "run"
    out.mkdir()
    script = tmp_path / "two.py"
    script.write_text(TWO.format(root=root, out=str(out)))
    call = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    done = subprocess.run(
        [*call, str(script)], capture_output=True, text=True, timeout=240, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert (out / "rank0").read_text() == (out / "rank1").read_text()
    network, _ = load_network(out)
    assert all(torch.isfinite(p).all() for p in network.parameters())
    assert (out / "log.csv").read_text().count("\n") == 5


def test_weights_that_cannot_be_fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    network = ResolutionAdaptiveNet("resnet18", (4, 4))
    with pytest.raises(TrainingError, match="can't be fetched"):
        start(network, "imagenet")
    assert start(network, "auto") == "random"


def test_imagenet_weights_fill_stem_and_stages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torchvision

    given = torchvision.models.resnet18()
    weights = torchvision.models.ResNet18_Weights
    monkeypatch.setattr(weights, "get_state_dict", lambda *_, **__: given.state_dict())
    network = ResolutionAdaptiveNet("resnet18", (4, 4)).eval()
    assert start(network, "auto") == "imagenet"
    x = torch.randn(2, 3, 64, 32)
    given.eval()
    with torch.no_grad():
        stem = given.maxpool(given.relu(given.bn1(given.conv1(x))))
        torch.testing.assert_close(network.stages[0](network.stem(x)), given.layer1(stem))
