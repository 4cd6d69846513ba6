"""A closer look at an encoder: confidence, clusters, groups, nuisances, layers, corruptions, and other places."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np

from selftaught.core.errors import UsageError
from selftaught.evaluate.clustering import Clustered, cluster_table, score_clusters
from selftaught.evaluate.depth import Depth, depth_plot, probe_layers
from selftaught.evaluate.elsewhere import Elsewhere
from selftaught.evaluate.slices import Slices, metric_frame, slice_by, slice_table
from selftaught.evaluate.subject import Subject
from selftaught.evaluate.trust import Trust, score_trust, trust_table
from selftaught.probes.curve import Contestant, Curve, FeatureSet
from selftaught.reports.blocks import Block, Section
from selftaught.trials.columns import Further, further_columns
from selftaught.trials.conditions import Held, Moved, contenders, find_corruptions, meet_corruptions, meet_elsewhere
from selftaught.trials.controls import untrained_twins
from selftaught.trials.held import corruption_tables, moved_table
from selftaught.trials.nuisance import MOST, Nuisance, nuisance_table, probe_nuisances, traits_of
from selftaught.trials.parts import Parts
from selftaught.trials.scores import ENCODER, SCRATCH, TWIN
from selftaught.trials.supervised import Network


@dataclass(frozen=True, kw_only=True, eq=False)
class Wish:
    """What is looked at beside what always is. columns: of what should not matter. corruptions: names. layers: of the
    first encoder. elsewhere: other data."""

    columns: tuple[Further, ...] = ()
    corruptions: tuple[str, ...] = ()
    layers: bool = False
    elsewhere: Elsewhere | None = None


@dataclass(frozen=True, kw_only=True)
class Closer:
    """What was found. place: what the data from elsewhere is called; left_out: its records of unknown classes."""

    trust: tuple[Trust, ...] = ()
    clusters: tuple[Clustered, ...] = ()
    slices: tuple[Slices, ...] = ()
    nuisances: tuple[Nuisance, ...] = ()
    depths: tuple[Depth, ...] = ()
    held: tuple[Held, ...] = ()
    moved: tuple[Moved, ...] = ()
    place: str = ""
    left_out: int = 0

    def sections(self) -> tuple[Section, ...]:
        """What there is to show, in the order of what a user would ask next."""
        moved = (moved_table(self.moved, self.place, self.left_out),) if self.moved else ()
        corruptions = corruption_tables(self.held) if self.held else ()
        groups = tuple(slice_table(each) for each in self.slices)
        inside: list[Block] = [nuisance_table(self.nuisances)] if self.nuisances else []
        inside += [depth_plot(self.depths)] if self.depths else []
        inside += [cluster_table(self.clusters)] if self.clusters else []
        trust = (trust_table(self.trust),) if self.trust else ()
        found = [
            Section(title=f"Elsewhere: {self.place}", blocks=moved, brief=moved),
            Section(title="Under corruptions", blocks=corruptions, brief=corruptions[-1:]),
            Section(title="By group", blocks=groups, brief=groups),
            Section(title="What the features hold", blocks=tuple(inside), brief=tuple(inside[:1])),
            Section(title="Confidence", blocks=trust, brief=()),
        ]
        return tuple(each for each in found if each.blocks)


def read_wish(
    subject: Subject, by: Sequence[str], corruptions: Sequence[str], layers: bool, elsewhere: Elsewhere | None
) -> Wish:
    """What was asked for, checked before anything is measured. Raises UsageError, DataError or MissingExtra."""
    if by:
        metric_frame(asked=True)
    if layers and not subject.encoders[0].encoder.depth:
        raise UsageError(
            f"{type(subject.encoders[0].config).__name__} gives no outputs of single layers; leave --layers out."
        )
    return Wish(
        columns=further_columns(by, subject.data, subject.options, subject.prepared),
        corruptions=find_corruptions(subject.encoders[0].modality, corruptions) if corruptions else (),
        layers=layers,
        elsewhere=elsewhere,
    )


def look_closer(
    subject: Subject,
    parts: Parts,
    contestants: Mapping[str, Contestant],
    curve: Curve,
    size: int | None,
    wish: Wish,
    network: Network | None,
) -> Closer:
    """Everything that was asked for and what always is; the test part is read, and nothing is chosen by it.

    size: the budget that groups are compared at. network: the supervised control with all labels.
    """
    kin = None if parts.kin is None else parts.kin[1]
    best = [each.name for each in curve.best_controls if each.per_class == size]
    held, moved = _meet(subject, parts, contestants, wish, network)
    sizes = tuple(dict.fromkeys((size, max((each.per_class for each in curve.points), key=lambda one: one or 10**9))))
    return Closer(
        trust=score_trust(curve, sizes, kin),
        clusters=score_clusters(contestants, parts),
        slices=_slice_all(wish, parts, curve, size, (ENCODER, *best)),
        nuisances=_find_nuisances(subject, parts, contestants, wish),
        depths=probe_layers(subject.encoders[0], parts) if wish.layers else (),
        held=held,
        moved=moved,
        place="" if wish.elsewhere is None else wish.elsewhere.name,
        left_out=0 if wish.elsewhere is None else wish.elsewhere.left_out,
    )


def _slice_all(
    wish: Wish, parts: Parts, curve: Curve, size: int | None, contestants: Sequence[str]
) -> tuple[Slices, ...]:
    found = []
    for each in wish.columns:
        if each.names:
            kin = None if parts.kin is None else parts.kin[1]
            codes = each.values[parts.test]
            found.append(slice_by(each.name, codes, each.names, curve, size, contestants, kin, asked=each.asked))
    return tuple(each for each in found if each is not None)


def _find_nuisances(
    subject: Subject, parts: Parts, contestants: Mapping[str, Contestant], wish: Wish
) -> tuple[Nuisance, ...]:
    """Columns, and what every record has of itself, read from the features of some training records."""
    some = np.sort(np.random.default_rng(0).permutation(len(parts.train))[:MOST])
    features = {name: cast(Sequence[FeatureSet], contestants[name])[0][0][some] for name in (ENCODER, TWIN)}
    nuisances = {each.name: each.values[parts.train[some]] for each in wish.columns}
    nuisances |= traits_of(subject.encoders[0].modality, parts.store, parts.train[some])
    return probe_nuisances(features, nuisances)


def _meet(
    subject: Subject,
    parts: Parts,
    contestants: Mapping[str, Contestant],
    wish: Wish,
    network: Network | None,
) -> tuple[tuple[Held, ...], tuple[Moved, ...]]:
    """What everyone keeps under corruptions and elsewhere."""
    if not wish.corruptions and wish.elsewhere is None:
        return (), ()
    networks = {ENCODER: subject.encoders, TWIN: untrained_twins(subject.encoders[0], 1)}
    known = {name: cast(Sequence[FeatureSet], contestants[name]) for name in networks}
    answers = contenders(networks, known, parts, None if network is None else (SCRATCH, network))
    modality = subject.encoders[0].modality
    held = meet_corruptions(answers, parts, modality, wish.corruptions) if wish.corruptions else ()
    away = wish.elsewhere
    moved = () if away is None else meet_elsewhere(answers, parts, away.rows(), away.codes, away.groups)
    return held, moved
