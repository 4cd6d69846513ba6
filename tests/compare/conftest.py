"""A tiny finished run, made once for all tests that need one."""

import pytest
from tests.journeys.photos import Ready, make_ready


@pytest.fixture(scope="session")
def ready(tmp_path_factory: pytest.TempPathFactory) -> Ready:
    """Return pictures, labels and a finished run; nothing may be written into them."""
    return make_ready(tmp_path_factory.getbasetemp())
