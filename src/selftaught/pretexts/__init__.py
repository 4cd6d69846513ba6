"""Self-supervised objectives, one file a family. `Supervised` is internal: the control trained from scratch."""

from selftaught.pretexts.contrastive import SimCLR
from selftaught.pretexts.reconstruction import MAE
from selftaught.pretexts.redundancy import VICReg
from selftaught.pretexts.supervised import Supervised

AnyPretext = SimCLR | VICReg | MAE | Supervised

__all__ = ["MAE", "AnyPretext", "SimCLR", "Supervised", "VICReg"]
