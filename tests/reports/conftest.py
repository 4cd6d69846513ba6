"""The demo report, built once."""

import pytest
from tests.reports.demo import DemoReport, build_demo


@pytest.fixture(scope="session")
def demo() -> DemoReport:
    """Return the full demo report."""
    return build_demo()
