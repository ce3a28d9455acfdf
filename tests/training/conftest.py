import numpy as np
import pytest

from training.datasets import Crop


def people(n: int = 6, views: int = 4, split: str = "train", name: str = "set") -> list[Crop]:
    """People who differ in the colours of their upper and lower halves; cameras 0 and 1."""
    random = np.random.default_rng(0)
    crops = []
    for who in range(n):
        colours = random.integers(0, 256, (2, 3))
        for view in range(views):
            image = np.repeat(np.repeat(colours, [96, 96], 0)[:, None], 80, 1)
            noisy = np.clip(image + random.normal(0, 8, image.shape), 0, 255).astype(np.uint8)
            identity = f"{name}/{split}/{who:04d}"
            crops.append(Crop(noisy, identity, view % 2, f"{split}/{who:04d}_{view}.jpg"))
    return crops


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> None:
    torch = pytest.importorskip("torch")
    torch.set_num_threads(1)
