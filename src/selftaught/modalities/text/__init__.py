"""Text: documents as sequences of word pieces."""

from selftaught.modalities.text.modality import Text

__all__ = ["Text"]
