"""Which pretext is the usual one of a kind of data, and how many records it is trained with at once."""

from __future__ import annotations

import math

from selftaught.core.encoder import EncoderConfig
from selftaught.core.errors import UsageError
from selftaught.core.modality import Modality
from selftaught.core.pretext import Pretext, flatten_plan
from selftaught.pretexts import AnyPretext, SimCLR, TS2Vec


def default_pretext(modality: Modality, encoder: EncoderConfig | None) -> AnyPretext:
    """TS2Vec for sequences where the encoder gives tokens, else SimCLR (docs/why/log.md)."""
    if modality.layout == "sequence" and (encoder is None or "tokens" in encoder.can):
        return TS2Vec()
    return SimCLR()


def default_batch(pretext: Pretext, records: int) -> int:
    """256 (TS2Vec: 32), or the largest power of two that a fourth of the records holds, 8 at least."""
    most = 32 if isinstance(pretext, TS2Vec) else 256  # its scores grow with the square of the steps
    return min(most, max(8, 1 << int(math.log2(max(1, records / 4)))))


def default_passes(pretext: Pretext) -> float | None:
    """How often a budget in minutes shows every record at most; None: as often as time allows.

    TS2Vec loses on few recordings what it has won (docs/why/log.md); its authors take 8 to 40 passes over the smallest
    sets (Yue 2022: 200 steps of 8 recordings).
    """
    return 20.0 if isinstance(pretext, TS2Vec) else None


def check_positives(pretext: Pretext) -> None:
    """Raises UsageError for a pretext that compares no whole views, so that two records cannot stand for one."""
    views = flatten_plan(pretext.plan())
    if len(views) < 2 or any(view.kind != "strong" for view in views):
        raise UsageError(
            f'positives "group" lets two records of one group stand for one, and {type(pretext).__name__} does not '
            f"compare whole views. Use SimCLR or VICReg."
        )
