"""Self-supervised objectives, one file a family. `Supervised` is internal: the control trained from scratch."""

from selftaught.pretexts.contrastive import SimCLR
from selftaught.pretexts.corruption import VIME
from selftaught.pretexts.forecast import NextWindow
from selftaught.pretexts.hierarchy import TS2Vec
from selftaught.pretexts.reconstruction import MAE
from selftaught.pretexts.redundancy import VICReg
from selftaught.pretexts.supervised import Supervised
from selftaught.pretexts.tokens import MaskedToken, NextToken

AnyPretext = SimCLR | VICReg | MAE | Supervised | VIME | MaskedToken | NextToken | TS2Vec | NextWindow

__all__ = [
    "MAE",
    "VIME",
    "AnyPretext",
    "MaskedToken",
    "NextToken",
    "NextWindow",
    "SimCLR",
    "Supervised",
    "TS2Vec",
    "VICReg",
]
