"""Time series and sensor recordings with any number of channels."""

from selftaught.modalities.series.modality import Series
from selftaught.modalities.series.views import Augmentation

__all__ = ["Augmentation", "Series"]
