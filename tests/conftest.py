"""What holds for every test: one thread, fixed seeds, no network, a browser where a page is tested."""

import ipaddress
import os
import random
import shutil
import socket
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

# Read by OpenMP when torch is first imported, here and in every subprocess a test starts. Two workers share two
# cores, and sums in a fixed order are what goldens rest on.
os.environ.update(OMP_NUM_THREADS="1", MKL_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")
# Hubs must fail at once rather than try: a test that needs weights from elsewhere is not a test.
os.environ.update(HF_HUB_OFFLINE="1", HF_DATASETS_OFFLINE="1")

import hypothesis
import numpy as np
import pytest

hypothesis.settings.register_profile("house", deadline=None, derandomize=True, max_examples=50)
hypothesis.settings.load_profile("house")

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
BROWSER_HINT = "needs Chromium: `apt-get install chromium`, or set CHROMIUM=/path/to/chromium"


class NetworkUseError(RuntimeError):
    """A test reached for an address outside this machine. No OSError: libraries swallow those and carry on."""


def _is_local(host: object) -> bool:
    if host is None or isinstance(host, bytes):
        return host in (None, b"", b"localhost")
    name = str(host).split("%")[0]
    if name in ("", "localhost", "0.0.0.0", "::", socket.gethostname()):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def _refuse(host: object) -> None:
    if not _is_local(host):
        raise NetworkUseError(
            f"Tests do not use the network, and this one asked for {host!r}. Use data it makes or ships."
        )


def _guarded(connect: Callable[..., object]) -> Callable[..., object]:
    def only_local(self: socket.socket, address: object) -> object:
        if self.family in (socket.AF_INET, socket.AF_INET6) and isinstance(address, tuple):
            _refuse(address[0])
        return connect(self, address)

    return only_local


@pytest.fixture(scope="session", autouse=True)
def _no_network() -> Iterator[None]:
    resolve = socket.getaddrinfo

    def only_local(host: object, *args: object, **options: object) -> object:
        _refuse(host)
        return resolve(host, *args, **options)  # type: ignore[arg-type]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", _guarded(socket.socket.connect))
        patch.setattr(socket.socket, "connect_ex", _guarded(socket.socket.connect_ex))
        patch.setattr(socket, "getaddrinfo", only_local)
        yield


@pytest.fixture(autouse=True)
def _fixed_seeds() -> None:
    random.seed(0)
    np.random.seed(0)  # noqa: NPY002 (third parties under test may still draw from it)
    if torch := sys.modules.get("torch"):
        torch.manual_seed(0)


@pytest.fixture
def numbers() -> np.random.Generator:
    """A numpy generator that starts at the same place in every test."""
    return np.random.default_rng(0)


@pytest.fixture
def generator():
    """A torch generator that starts at the same place in every test."""
    import torch

    return torch.Generator().manual_seed(0)


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository's folder."""
    return Path(__file__).resolve().parents[1]


def _find_browser() -> str | None:
    return os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, BROWSERS)), None)


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of the system's browser, for Playwright's `executable_path`. Use with the marker `browser`."""
    path = _find_browser()
    if path is None:
        pytest.fail(f"This test {BROWSER_HINT}.")
    return path


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    # In CI a missing browser is a fault, not a reason to test less.
    if os.environ.get("CI") == "true" or _find_browser() is not None:
        return
    for item in items:
        if item.get_closest_marker("browser"):
            item.add_marker(pytest.mark.skip(reason=BROWSER_HINT))


FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Any]:
    """Return a headless Chromium that asks nothing of the network."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=list(FLAGS))
        yield browser
        browser.close()
