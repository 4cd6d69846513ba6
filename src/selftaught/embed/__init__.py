"""The stage that turns records into vectors."""

from selftaught.embed.stage import embed

__all__ = ["embed"]
