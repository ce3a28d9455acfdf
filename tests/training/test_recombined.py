from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from training.camera import ONE_IN, CameraBatches, Data  # noqa: E402
from training.datasets import Crop  # noqa: E402
from training.recipe import RECIPES  # noqa: E402
from training.recombined import VIEWS, Recombined  # noqa: E402
from training.trainer import Trainer  # noqa: E402

from .conftest import people  # noqa: E402

RECIPE = replace(RECIPES["camera"], size=(32, 16), epochs=1, persons=6, views=2, sizes=(8, 8, 8, 8))


def flat(number: int, colour: tuple[int, int, int], camera: int, of: str = "set") -> Crop:
    image = np.full((60, 24, 3), colour, np.uint8)
    return Crop(image, f"{of}/train/{number}", camera, f"{of}-{number}-{camera}.png")


def test_a_picture_depends_on_its_numbers_alone() -> None:
    crops = people()
    one, other = Recombined(crops), Recombined(crops)
    for number in (3, 0, 900):
        np.testing.assert_array_equal(one.picture(number, 1), other.picture(number, 1))
    assert any(
        not np.array_equal(one.picture(i, 0), Recombined(crops, seed=1).picture(i, 0))
        for i in range(5)
    )


def test_a_person_keeps_upper_body_lower_body_and_dyes_in_all_views() -> None:
    colours = [(20, 40, 200), (200, 60, 20), (40, 180, 60), (90, 90, 90)]
    made = Recombined([flat(i, colour, c) for i, colour in enumerate(colours) for c in range(3)])
    halves = set()
    for person in range(60):
        views = [made.picture(person, view) for view in range(VIEWS)]
        for part in (slice(0, 15), slice(50, 60)):
            assert len({tuple(view[part].reshape(-1, 3).mean(0)) for view in views}) == 1
        halves.add((tuple(views[0][0, 0]), tuple(views[0][-1, 0])))
    assert len(halves) > 50, "people differ by clothes"
    exchanged = sum(top != bottom for top, bottom in halves)
    assert exchanged > 30


def test_bodies_are_of_one_set_and_of_one_camera_where_there_is_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("training.recombined.DYED", -1)
    crops = [
        flat(i, (10 + 10 * i, 100 * of, 100 * camera), camera, f"set{of}")
        for i in range(4)
        for camera in range(2)
        for of in range(2)
    ]
    made, exchanged = Recombined(crops), 0
    for person in range(100):
        picture = made.picture(person, 0)
        top, bottom = picture[0, 0], picture[-1, 0]
        assert top[1:].tolist() == bottom[1:].tolist(), "same set, same camera"
        exchanged += int(top[0] != bottom[0])
    assert exchanged > 30


def batches(persons: int = 6) -> CameraBatches:
    crops = people()
    teacher = np.random.default_rng(1).normal(size=(len(crops), 6)).astype(np.float32)
    said = np.random.default_rng(2).normal(size=(10, VIEWS, 6)).astype(np.float32)
    return CameraBatches(Data(crops, teacher, (Recombined(crops), said)), RECIPE)


def test_a_third_of_a_batch_has_no_class_and_the_teachers_word() -> None:
    source = batches()
    batch = source.batch(4)
    alien = batch.identity.reshape(-1, RECIPE.views)[:, 0] < 0
    assert alien.tolist() == [place % ONE_IN == ONE_IN - 1 for place in range(RECIPE.persons)]
    assert source._data.recombined is not None
    said = source._data.recombined[1]
    for row in torch.nonzero(batch.identity < 0).flatten().tolist():
        person, number = -1 - int(batch.identity[row]), -1 - int(batch.picture[row])
        assert number // VIEWS == person
        view = number % VIEWS
        np.testing.assert_array_equal(batch.teacher[row].numpy(), said[person, view])


def test_the_parts_of_two_processes_are_the_whole_batch() -> None:
    source = batches()
    whole, parts = source.batch(3), [source.batch(3, rank, 2) for rank in range(2)]
    for name in whole.__dataclass_fields__:
        joined = torch.cat([getattr(part, name) for part in parts])
        assert torch.equal(joined, getattr(whole, name)), name


def test_training_goes_through_batches_with_such_people() -> None:
    trainer = Trainer(RECIPE, batches(), torch.device("cpu"))
    rows: list[dict[str, float]] = []
    for _ in trainer.run(rows.append):
        pass
    assert rows
    assert all(np.isfinite(list(row.values())).all() for row in rows)
    assert {"identity", "verification", "contrastive", "teacher"} <= set(rows[0])


def test_inputs_are_small_in_the_first_part_of_a_run() -> None:
    recipe = replace(RECIPE, size=(48, 24), epochs=4, small_until=0.5)
    source = CameraBatches(Data(people(12), np.zeros((48, 0), np.float32)), recipe)
    half = recipe.epochs * source.steps // 2
    shapes = [tuple(source.batch(step).images.shape[1:3]) for step in range(2 * half)]
    assert shapes == [(32, 16)] * half + [(48, 24)] * half


def test_people_come_by_the_root_of_how_many_pictures_they_have() -> None:
    crops = [*people(8, 16, name="many"), *people(8, 1, name="single")]
    recipe = replace(RECIPE, persons=2)
    source = CameraBatches(Data(crops, np.zeros((len(crops), 0), np.float32)), recipe)
    who = torch.cat([source.batch(step).identity for step in range(400)])
    many, single = int((who < 8).sum()), int((who >= 8).sum())
    assert 3.2 < many / single < 4.6, "4, but for nobody's coming twice into a batch"
