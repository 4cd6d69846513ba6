"""The stage that measures what pretraining gained, beside its controls."""

from selftaught.evaluate.stage import evaluate

__all__ = ["evaluate"]
