"""Items are made ahead, in order, and nobody is left waiting."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from training.ahead import ahead


def test_items_come_in_order_and_errors_where_they_belong() -> None:
    def source() -> Iterator[int]:
        yield from range(9)
        raise ValueError("the tenth")

    items = ahead(source(), depth=2)
    assert [next(items) for _ in range(9)] == list(range(9))
    with pytest.raises(ValueError, match="the tenth"):
        next(items)


def test_a_consumer_that_leaves_ends_the_thread() -> None:
    before = threading.active_count()
    items = ahead(iter(range(1000)), depth=2)
    assert next(items) == 0
    time.sleep(0.05)
    assert threading.active_count() == before + 1, "it waits for a place"
    items.close()
    assert threading.active_count() == before
