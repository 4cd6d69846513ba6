"""The stage that hands an encoder over to other programs."""

from selftaught.export.stage import export

__all__ = ["export"]
