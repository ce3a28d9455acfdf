import math

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from reid import Embeddings, distances  # noqa: E402
from training.losses import (  # noqa: E402
    IdentityLoss,
    TeacherLoss,
    VerificationLoss,
    contrastive_loss,
    prefix_loss,
    similarities,
)

SIZES = (4, 4, 4)


def padded(n: int, seed: int = 0) -> tuple["torch.Tensor", "torch.Tensor"]:
    generator = torch.Generator().manual_seed(seed)
    z = torch.randn(n, sum(SIZES), generator=generator)
    level = torch.randint(1, 4, (n,), generator=generator)
    return z * (torch.arange(12)[None] < 4 * level[:, None]), level


def test_verification_loss_equals_equation_4() -> None:
    torch.manual_seed(1)
    loss = VerificationLoss(12, hidden=8)
    (a, _), (b, _) = padded(6, 1), padded(6, 2)
    same = torch.tensor([True, False, True, False, False, True])
    total = 0.0
    with torch.no_grad():
        for n in range(6):
            p = torch.sigmoid(loss.mlp(a[n] - b[n]))[0].item()
            y = 1.0 if same[n] else 0.0
            total -= y * math.log(p) + (1 - y) * math.log(1 - p)
        assert loss(a, b, same).item() == pytest.approx(total / 6, rel=1e-5)


def test_a_short_vector_meets_the_first_rows_of_the_classifier_only() -> None:
    loss = IdentityLoss(12, 5)
    z = torch.zeros(1, 12)
    z[0, :4] = torch.randn(4)
    before = loss(z, torch.tensor([2]))
    before.backward()
    assert (loss.weight.grad[:, 4:] == 0).all()
    assert (loss.weight.grad[:, :4] != 0).any()
    with torch.no_grad():
        loss.weight[:, 4:] = 9.0
    assert loss(z, torch.tensor([2])).item() == pytest.approx(before.item())


def test_similarities_agree_with_the_distances_of_the_product() -> None:
    z, level = padded(9)
    found = similarities(z, level, SIZES)
    rows = Embeddings(z.numpy(), level.numpy().astype(np.int8), np.ones(9, np.float32), SIZES)
    expected, _ = distances(rows, rows)
    np.testing.assert_allclose(2 - 2 * found.numpy(), expected, atol=1e-5)


def test_contrastive_loss_equals_its_literal_sum() -> None:
    z, level = padded(8)
    cosines, identity = similarities(z, level, SIZES), torch.tensor([0, 0, 1, 1, 2, 2, 2, 3])
    total, rows = 0.0, 0
    for i in range(8):
        others = [j for j in range(8) if j != i]
        same = [j for j in others if identity[j] == identity[i]]
        if not same:
            continue
        norm = math.log(sum(math.exp(cosines[i, j].item() / 0.1) for j in others))
        total -= sum(cosines[i, j].item() / 0.1 - norm for j in same) / len(same)
        rows += 1
    assert contrastive_loss(cosines, identity).item() == pytest.approx(total / rows, rel=1e-4)


def test_teacher_loss_equals_its_literal_sum_and_vanishes_in_agreement() -> None:
    z, level = padded(5)
    cosines = similarities(z, level, SIZES)
    target = torch.nn.functional.normalize(torch.randn(5, 7))
    loss = TeacherLoss(12, 7)
    vector, pairs = 0.0, 0.0
    with torch.no_grad():
        for i in range(5):
            guess = loss.map.weight @ (z[i] / z[i].norm())
            vector += 1 - (guess @ target[i] / guess.norm()).item()
            pairs += sum((cosines[i, j] - target[i] @ target[j]).item() ** 2 for j in range(5))
        assert loss(z, cosines, target).item() == pytest.approx(
            5 * vector / 5 + 20 * pairs / 25, rel=1e-4
        )
        same = torch.nn.functional.normalize(z)
        agreeing = TeacherLoss(12, 12)
        agreeing.map.weight.copy_(torch.eye(12))
        assert agreeing(z, same @ same.T, same).item() == pytest.approx(0, abs=1e-5)


def test_prefix_loss_equals_a_literal_version() -> None:
    z, _ = padded(6, 3)
    level = torch.tensor([1, 3, 2, 3, 2, 2])
    z = torch.randn(6, 12, generator=torch.Generator().manual_seed(4))
    z = z * (torch.arange(12)[None] < 4 * level[:, None])
    z.requires_grad_(True)
    picture = torch.tensor([0, 0, 1, 1, 2, 2])
    literal = []
    for low, high in ((0, 1), (2, 3)):
        a = z[low, : 4 * level[low]].detach().numpy()
        b = z[high, : 4 * level[low]].detach().numpy()
        literal.append(1 - a @ b / np.linalg.norm(a) / np.linalg.norm(b))
    loss = prefix_loss(z, level, picture, SIZES)
    assert loss.item() == pytest.approx(np.mean(literal), rel=1e-5)
    loss.backward()
    assert (z.grad[[1, 3, 4, 5]] == 0).all()
    assert (z.grad[0, :4] != 0).all()
    assert prefix_loss(z, level, torch.arange(6), SIZES).item() == 0
