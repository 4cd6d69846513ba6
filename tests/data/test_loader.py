"""Reading ahead keeps the order, tells the time that was waited, and ends cleanly whatever happens."""

import itertools
import threading
import time

import pytest

from selftaught.core.errors import UsageError
from selftaught.data.loader import Loader


def threads() -> int:
    return sum(thread.name.startswith("loader") for thread in threading.enumerate())


def test_results_come_in_order_and_the_thread_ends():
    with Loader(range(100), lambda item: item * 2, ahead=3) as loader:
        assert list(loader) == list(range(0, 200, 2))
    assert threads() == 0


def test_no_more_than_asked_is_read_ahead():
    begun: list[int] = []
    with Loader(itertools.count(), lambda item: begun.append(item) or item, ahead=2) as loader:
        for item in itertools.islice(loader, 5):
            time.sleep(0.02)
            assert len(begun) <= item + 3
    assert threads() == 0


def test_an_error_is_raised_where_its_result_was_due():
    def read(item: int) -> int:
        if item == 3:
            raise KeyError("record 3")
        return item

    with Loader(range(10), read) as loader:
        results = iter(loader)
        assert [next(results) for _ in range(3)] == [0, 1, 2]
        with pytest.raises(KeyError, match="record 3"):
            next(results)
    assert threads() == 0


def test_an_error_of_the_consumer_ends_the_thread():
    def consume() -> None:
        with Loader(itertools.count(), lambda item: item) as loader:
            for item in loader:
                1 // (item - 1)

    with pytest.raises(ZeroDivisionError):
        consume()
    assert threads() == 0


def test_the_time_waited_is_counted_and_reading_ahead_hides_it():
    def read(item: int) -> int:
        time.sleep(0.01)
        return item

    with Loader(range(10), read) as loader:
        list(loader)
    assert 0.08 < loader.waited < 1.0
    with Loader(range(10), read) as loader:
        for _ in loader:
            time.sleep(0.03)
    assert loader.waited < 0.08


def test_a_loader_reads_at_least_one_ahead():
    with pytest.raises(UsageError, match="ahead=0"):
        Loader([], int, ahead=0)
