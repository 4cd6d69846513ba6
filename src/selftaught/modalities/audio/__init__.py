"""Speech and other sound, as log-mel pictures."""

from selftaught.modalities.audio.modality import Audio
from selftaught.modalities.audio.views import Augmentation

__all__ = ["Audio", "Augmentation"]
