"""Reading ahead: one background thread prepares the next batches while the device works on this one."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Generic, TypeVar

from selftaught.core.errors import UsageError

Item = TypeVar("Item")
Result = TypeVar("Result")


class Loader(Generic[Item, Result]):
    """Iterates over `read(item)` for every item, in order, `ahead` results early.

    Use as a context manager: leaving it, whatever the reason, ends the thread. An error of `items` or `read` is raised
    where its result was due. `waited`: seconds that the consumer has stood waiting for data.
    """

    def __init__(self, items: Iterable[Item], read: Callable[[Item], Result], ahead: int = 2) -> None:
        if ahead < 1:
            raise UsageError(f"A loader reads at least one batch ahead; got ahead={ahead}.")
        self.waited = 0.0
        self._items = iter(items)
        self._read = read
        self._ahead = ahead
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="loader")

    def __enter__(self) -> Loader[Item, Result]:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)

    def __iter__(self) -> Iterator[Result]:
        running: deque[Future[list[Result]]] = deque()
        while True:
            while len(running) < self._ahead:
                running.append(self._pool.submit(self._next))
            began = time.perf_counter()
            results = running.popleft().result()
            self.waited += time.perf_counter() - began
            if not results:
                return
            running.append(self._pool.submit(self._next))
            yield results[0]

    def _next(self) -> list[Result]:
        """The next result alone in a list, or an empty list at the end. One thread runs this, so order is kept."""
        for item in self._items:
            return [self._read(item)]
        return []
