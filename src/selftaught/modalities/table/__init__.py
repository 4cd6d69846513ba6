"""Tables: rows of numbers, counts, categories, dates and words, cells missing or not."""

from selftaught.modalities.table.modality import Table
from selftaught.modalities.table.views import Augmentation

__all__ = ["Augmentation", "Table"]
