"""compare: which pretext, and is it worth it? Measured by a race on the data at hand."""

from selftaught.compare.stage import compare

__all__ = ["compare"]
