"""The stage that turns unlabelled data into an encoder."""

from selftaught.pretrain.stage import pretrain

__all__ = ["pretrain"]
