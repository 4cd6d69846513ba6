"""Pictures with any number of channels."""

from selftaught.modalities.image.modality import Image
from selftaught.modalities.image.views import Augmentation

__all__ = ["Augmentation", "Image"]
