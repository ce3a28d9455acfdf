"""The verbs as a newcomer types them, on a folder of rendered people."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from unittest.mock import ANY

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

torch = pytest.importorskip("torch")

from pipeline.cli import app  # noqa: E402
from reid import Embedder, ReidError  # noqa: E402
from reid.network import normalise  # noqa: E402
from samples import write_people  # noqa: E402
from training.run import load_network  # noqa: E402

ROOT = Path(__file__).parents[2]
SMALL = [
    *("--backbone", "resnet18-half", "--height", "64", "--init", "random"),
    *("--sizes", "32,32,32,32", "--persons", "8", "--lr", "1e-3"),
]


@dataclass(frozen=True)
class Said:
    status: int
    out: str


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("people")
    write_people(str(path), seed=3, people=48, views=6, height=96)
    return path


@pytest.fixture(scope="module")
def nearfar() -> Callable[..., Said]:
    def call(*words: object) -> Said:
        result = CliRunner().invoke(app, [str(w) for w in words])
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        return Said(result.exit_code, " ".join(result.output.split()))

    return call


@pytest.fixture(scope="module")
def run(
    folder: Path, nearfar: Callable[..., Said], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    out = tmp_path_factory.mktemp("runs") / "mine"
    call = ("train", f"market={folder}", *SMALL, "--no-progressive", "--out", out, "--epochs", 30)
    said = nearfar(*call)
    assert said.status == 0
    assert "144 pictures of 24 people, first weights: random" in said.out
    return out


def test_three_commands_from_a_folder_to_an_embedder(
    folder: Path, run: Path, nearfar: Callable[..., Said], tmp_path: Path
) -> None:
    assert {p.name for p in run.iterdir()} >= {"run.json", "log.csv", "weights.safetensors"}
    said = nearfar("eval", run, f"market={folder}", "--json")
    figures = json.loads((run / "eval-market-mlr.json").read_text())["figures"]
    assert json.loads(said.out)["figures"] == figures
    assert figures["rank1"] > 3 * 100 / 24
    onnx = tmp_path / "mine.onnx"
    said = nearfar("export", run, f"market={folder}", "--out", onnx, "--int8")
    assert said.status == 0
    assert "rank 1 / mAP by height" in said.out
    embedder = Embedder.load(onnx, "cpu")
    assert embedder.info.figures["people"] == {"market": 24}
    assert set(embedder.info.figures["rank1"]) == {"native", "64", "48", "32", "24"}
    assert 0 <= embedder.info.figures["calibration_error"] < 0.5
    assert embedder.info.calibration.threshold(0.01).shape == (4, 4)
    small = Embedder.load(tmp_path / "mine-int8.onnx", "cpu")
    assert small.info == replace(embedder.info, precision="int8", calibration=ANY)
    assert small.info.calibration.to_json() == embedder.info.calibration.to_json()
    assert embedder.info.levels.heights == (24, 32, 48, 96)
    network, facts = load_network(run)
    images = np.random.default_rng(0).integers(0, 256, (5, *facts.recipe.size, 3), dtype=np.uint8)
    for level in (1, 2, 3, 4):
        with torch.no_grad():
            expected = network(normalise(torch.from_numpy(images)), torch.full((5,), level))
        found = embedder.embed(list(images), levels=[level] * 5)
        scale = float(expected.abs().max())
        np.testing.assert_allclose(found.vectors, expected.numpy(), atol=2e-3 * scale)


def test_a_manifest_repeats_an_evaluation_to_the_digit(
    folder: Path, run: Path, nearfar: Callable[..., Said], tmp_path: Path
) -> None:
    first, again = tmp_path / "first.json", tmp_path / "again.json"
    call = ("eval", run, f"market={folder}", "--trials", 3)
    assert nearfar(*call, "--out", first).status == 0
    assert nearfar(*call, "--manifest", first, "--out", again).status == 0
    assert first.read_text() == again.read_text()
    said = nearfar(*call, "--seed", 1, "--manifest", first)
    assert said.status == 2
    assert "not the evaluation of the manifest: seed differs" in said.out


def test_another_seed_draws_other_trials_of_the_same_people(
    nearfar: Callable[..., Said], tmp_path: Path
) -> None:
    flat = tmp_path / "flat"
    write_people(flat, seed=4, people=16, views=4, height=96)
    for picture in list(flat.rglob("*.png")):
        picture.rename(flat / picture.name)
    out = tmp_path / "run"
    assert nearfar("train", f"market={flat}", *SMALL, "--epochs", 1, "--out", out).status == 0
    drawn = []
    for seed in (0, 1):
        file = tmp_path / f"{seed}.json"
        call = ("eval", out, f"market={flat}", "--trials", 1, "--seed", seed, "--out", file)
        assert nearfar(*call).status == 0
        drawn.append(json.loads(file.read_text())["manifest"]["splits"][0])
    assert drawn[0]["test"] == drawn[1]["test"]
    assert drawn[0]["trials"] != drawn[1]["trials"]


def test_the_standard_evaluation(folder: Path, run: Path, nearfar: Callable[..., Said]) -> None:
    said = nearfar("eval", run, f"market={folder}", "--protocol", "market", "--json")
    assert json.loads(said.out)["figures"]["rank1"] > 3 * 100 / 24


def test_a_table_is_made_once(folder: Path, nearfar: Callable[..., Said], tmp_path: Path) -> None:
    call = ("ablation", "naive", f"market={folder}", *SMALL, "--epochs", 4, "--out", tmp_path)
    assert nearfar(*call).status == 0
    runs = {p: p.stat().st_mtime_ns for p in tmp_path.glob("*/weights.safetensors")}
    assert len(runs) == 5  # three rates of the naive solution, end-to-end, progressive
    table = (tmp_path / "naive-market.md").read_text()
    assert [line.split("|")[1].strip() for line in table.splitlines()[2:]] == [
        "a network a rate",
        "end-to-end",
        "progressive",
    ]
    result = json.loads((tmp_path / "naive-market.json").read_text())
    assert result["manifest"]["splits"][0]["train"] == 24
    assert nearfar(*call).status == 0
    assert nearfar("ablation", "losses", *call[2:]).status == 0
    again = {p: p.stat().st_mtime_ns for p in tmp_path.glob("*/weights.safetensors")}
    assert {p: again[p] for p in runs} == runs
    assert len(again) == 7  # the full recipe was there already


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (("train", "people"), "a set is given as name=path"),
        (("train", "market=/nowhere"), "/nowhere"),
        (("train", "market={folder}", "--recipe", "fast"), "choose from paper, best, camera"),
        (("train", "market={folder}", "--sizes", "a,b"), "sub-vector sizes are numbers"),
        (("train", "market={folder}", "--sizes", "32,32"), "4 levels need as many sub-vectors"),
        (("train", "market={folder}", "--teacher", "a.xml"), "only the recipe camera takes"),
        (("train", "market={folder}", "--rendered", "60"), "only the recipe camera takes"),
        (("train", "market={folder}", "--persons", "40"), "a batch has 40 people"),
        (("train", "market={folder}", "--init", "/nowhere"), "no weights to start from"),
        (("train", "market={folder}", "--device", "tpu"), "tpu"),
        (("eval", "/nowhere", "market={folder}"), "holds no run of nearfar train"),
        (("eval", "{run}", "market={folder}", "--protocol", "x"), "choose from mlr, market"),
        (("eval", "{run}", "market={folder}", "--rates", "0.5"), "rates are 1 or more"),
        (("eval", "{run}", "market={folder}", "--kernel", "x"), "area, bilinear, cubic"),
        (("eval", "{run}", "market={folder}", "--gallery", "x"), "its own masks or the query"),
        (("eval", "{run}", "market={folder}", "--manifest", "{run}/run.json"), "no result of"),
        (("ablation", "speed", "market={folder}"), "choose from components"),
        (("export", "/nowhere"), "holds no run of nearfar train"),
    ],
)
def test_wrong_calls_get_one_line(
    words: tuple[str, ...],
    line: str,
    folder: Path,
    run: Path,
    nearfar: Callable[..., Said],
    tmp_path: Path,
) -> None:
    made = [w.format(folder=folder, run=run) for w in words]
    if words[0] == "train":
        made += ["--out", str(tmp_path / "out")]
    said = nearfar(*made)
    assert said.status == 2
    assert line in said.out
    assert "Traceback" not in said.out


def test_nobody_is_unseen_after_training_on_everybody(
    folder: Path, nearfar: Callable[..., Said], tmp_path: Path
) -> None:
    out = tmp_path / "all"
    call = ("train", f"market={folder}", *SMALL, "--epochs", 1, "--all-identities", "--out", out)
    assert "of 48 people" in nearfar(*call).out
    for verb in ("eval", "export"):
        said = nearfar(verb, out, f"market={folder}")
        assert said.status == 2
        assert "trained on everybody" in said.out


def test_figures_of_a_run(
    folder: Path, run: Path, nearfar: Callable[..., Said], tmp_path: Path
) -> None:
    said = nearfar("figures", run, f"market={folder}", "--out", tmp_path)
    assert said.status == 0
    assert (run / "curves.png").stat().st_size > 10_000
    drawn = {p.stem: cv2.imread(str(p)) for p in tmp_path.glob("*.png")}
    names = {"ranking", "tsne-identity", "tsne-resolution", "cmc", "distances", "masks"}
    assert set(drawn) == names
    assert all(image.shape[0] > 300 and image.std() > 10 for image in drawn.values())


def test_a_run_that_had_ended_is_said_to_be_one(
    folder: Path, run: Path, nearfar: Callable[..., Said]
) -> None:
    call = ("train", f"market={folder}", *SMALL, "--no-progressive", "--out", run)
    before = (run / "weights.safetensors").read_bytes()
    said = nearfar(*call, "--epochs", 30)
    assert (said.status, said.out) == (0, f"{run} holds a run that had ended: nothing was trained")
    said = nearfar(*call, "--epochs", 31, "--seed", 2)
    assert said.status == 2
    assert "other settings (epochs, seed)" in said.out
    assert (run / "weights.safetensors").read_bytes() == before


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("market={folder}",), "market is given twice"),
        (("--lr", "nan"), "a number above 0"),
        (("--lr", "-1"), "a number above 0"),
        (("--small-until", "0.5"), "for the recipe camera"),
        (("--height", "7"), "greater than or equal to 32"),
    ],
)
def test_what_can_not_be_trained(
    folder: Path, nearfar: Callable[..., Said], tmp_path: Path, options: tuple, words: str
) -> None:
    own = [o.format(folder=folder) for o in options]
    said = nearfar("train", f"market={folder}", *own, "--out", tmp_path / "run")
    assert said.status == 2
    assert words in said.out


def test_an_export_that_fails_leaves_the_file_that_was_there(
    folder: Path,
    run: Path,
    nearfar: Callable[..., Said],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fails(*_: object) -> None:
        raise ReidError("no sense in the distances")

    monkeypatch.setattr("training.export_verb.measure", fails)
    (tmp_path / "mine.onnx").write_bytes(b"a good one")
    said = nearfar("export", run, f"market={folder}", "--out", tmp_path / "mine.onnx")
    assert said.status == 2
    assert [p.name for p in tmp_path.iterdir()] == ["mine.onnx"]
    assert (tmp_path / "mine.onnx").read_bytes() == b"a good one"


def test_ctrl_c_keeps_what_was_trained(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    call = [sys.executable, "-c", "from pipeline.cli import main; main()", "train"]
    call += [f"market={folder}", *SMALL, "--no-progressive", "--epochs", "500", "--out", str(out)]
    ran = subprocess.Popen(call, stderr=subprocess.PIPE, text=True, cwd=ROOT)
    while not (out / "run.json").exists():
        assert ran.poll() is None
        time.sleep(0.1)
    time.sleep(3)
    ran.send_signal(signal.SIGINT)
    _, said = ran.communicate(timeout=60)
    assert ran.returncode == 130
    assert said.splitlines()[-1].startswith("stopped before the end; the same call")
    assert (out / "state.pt").exists()
    assert not (out / "weights.safetensors").exists()
