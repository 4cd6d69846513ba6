"""Why the best candidate stands where it does: what else its features hold, and what it keeps under corruptions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from selftaught.compare.judge import Judge
from selftaught.compare.legs import Finalist
from selftaught.engine.embedding import embed_records
from selftaught.reports.blocks import Block, Section
from selftaught.trials.columns import Further
from selftaught.trials.conditions import Held, contenders, meet_corruptions
from selftaught.trials.controls import encoder_features, untrained_twins
from selftaught.trials.held import corruption_table
from selftaught.trials.nuisance import Nuisance, nuisance_table, probe_nuisances, traits_of
from selftaught.trials.scores import ENCODER, TWIN

SEVERITIES = (2, 4)
MOST = 96
"""Records under corruptions, at most."""


@dataclass(frozen=True, kw_only=True)
class Reasons:
    """On the judge's records alone. name: of the candidate, which the tables call the encoder."""

    name: str
    nuisances: tuple[Nuisance, ...]
    held: tuple[Held, ...]

    def section(self) -> Section | None:
        """Two tables, where there is something to show."""
        blocks: list[Block] = [corruption_table(self.held)] if self.held else []
        blocks += [nuisance_table(self.nuisances)] if self.nuisances else []
        note = f"The encoder is {self.name}, on the records that the judge predicts."
        return Section(title="Why", blocks=tuple(blocks), note=note, brief=tuple(blocks)) if blocks else None


def find_reasons(chosen: Finalist, judge: Judge, columns: Sequence[Further]) -> Reasons:
    """Nuisances by the records' own traits and some columns; corruptions at two severities where labels are classes.

    The probes learn from the first fold's training records; the test part is not touched.
    """
    parts, first = judge.parts[0], chosen.encoders[0]
    (twin,) = untrained_twins(first, 1)
    features = {
        ENCODER: embed_records(first, parts.store, judge.rows),
        TWIN: embed_records(twin, parts.store, judge.rows),
    }
    nuisances = {each.name: each.values[judge.rows] for each in columns}
    nuisances |= traits_of(first.modality, parts.store, judge.rows)
    held: tuple[Held, ...] = ()
    if parts.values is None and first.modality.corruptions:
        known = {ENCODER: encoder_features(chosen.encoders, parts), TWIN: encoder_features([twin], parts)}
        answers = contenders({ENCODER: chosen.encoders, TWIN: [twin]}, known, parts)
        held = meet_corruptions(answers, parts, first.modality, first.modality.corruptions, SEVERITIES, MOST)
    return Reasons(name=chosen.name, nuisances=probe_nuisances(features, nuisances), held=held)
