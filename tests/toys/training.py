"""One training step as the engine takes it, without the engine; and every pretext in a small size."""

from collections.abc import Sequence

import torch
from tests.toys.alignment import Alignment
from tests.toys.cluster import Cluster
from tests.toys.order import Order
from tests.toys.queue import QueueContrast
from tests.toys.samples import CLASSES, SAMPLES, Sample
from torch import Tensor

from selftaught.core.batch import Batch, View
from selftaught.core.encoder import EncoderConfig
from selftaught.core.modality import Rows
from selftaught.core.pretext import Clock, Outcome, Pretext, Representation, Spec, flatten_plan, gather_nothing, missing
from selftaught.core.rng import Rng
from selftaught.encoders import Transformer
from selftaught.pretexts import MAE, VIME, MaskedToken, NextToken, NextWindow, SimCLR, Supervised, TS2Vec, VICReg

TRUNK = Transformer(width=16, depth=2, heads=2)
TOYS: tuple[Pretext, ...] = (Order(), QueueContrast(), Cluster(), Alignment())
LIBRARY: dict[str, Pretext] = {
    "simclr": SimCLR(hidden=16, outputs=8, norm="layer"),
    "vicreg": VICReg(hidden=16, outputs=8, norm="layer"),
    "mae": MAE(width=8, depth=1, heads=2, drop=0.5),
    "supervised": Supervised(),
    "maskedtoken": MaskedToken(drop=0.4),
    "nexttoken": NextToken(),
    "ts2vec": TS2Vec(),
    "nextwindow": NextWindow(width=8, depth=1, heads=2),
    "vime": VIME(hidden=16),
}
PRETEXTS: tuple[Pretext, ...] = (*TOYS, *LIBRARY.values())


def offers(sample: Sample) -> frozenset[str]:
    """What a sample has: its modality's offers, and labels."""
    return sample.modality.offers | {"label"}


def legal_pairs(config: EncoderConfig = TRUNK) -> list[tuple[str, Pretext]]:
    """Names of samples with the pretexts that they can serve."""
    return [
        (name, pretext)
        for name, sample in SAMPLES.items()
        for pretext in PRETEXTS
        if config.layout in ("any", sample.modality.layout) and not missing(pretext.needs, offers(sample), config.can)
    ]


def name_pair(value: object) -> str:
    """How a parameter shows in a test's name."""
    return value if isinstance(value, str) else type(value).__name__


class Training:
    """Encoder, head and optimiser of one pretext on one sample."""

    def __init__(self, sample: Sample, pretext: Pretext, config: EncoderConfig = TRUNK, records: int = 16) -> None:
        torch.manual_seed(0)
        self.sample, self.pretext, self.rng = sample, pretext, Rng(seed=5)
        self.fitted = sample.fitted()
        self.encoder = config.build(sample.modality, self.fitted)
        target = self.views(sample.rows(2), (View(kind="clean", target="target" in sample.modality.offers),))[0].target
        spec = Spec(
            records=records, dim=self.encoder.dim, axes=sample.modality.axes, outputs=target.outputs if target else 0,
            steps=100, batch=records, classes=CLASSES,
        )  # fmt: skip
        self.head = pretext.build(self.encoder, spec)
        self.parameters = [part for part in self.encoder.parameters() if part.requires_grad]
        self.parameters += [part for group in pretext.param_groups(self.head) for part in group.parameters]
        self.optimiser = torch.optim.Adam(self.parameters, lr=1e-2)

    def views(self, rows: Rows, plan: Sequence[View] | None = None, step: int = 0) -> list[Batch]:
        """The planned views of some records."""
        batch = self.sample.modality.batch(rows, self.fitted)
        asked = flatten_plan(self.pretext.plan() if plan is None else plan)
        rng = self.rng.at(step)
        return [self.sample.modality.augment(batch, view, rng.fold(place)) for place, view in enumerate(asked)]

    def represent(self, views: Sequence[Batch], step: int = 0) -> Representation:
        """The pretext's forward part."""
        return self.pretext.represent(self.encoder, self.head, views, self.clock(step), self.rng.at(step))

    def losses(self, views: Sequence[Batch], step: int = 0) -> Outcome:
        """Forward and losses of some views."""
        representation = self.represent(views, step)
        return self.pretext.losses(self.head, representation, views, self.clock(step), gather_nothing)

    def clock(self, step: int) -> Clock:
        """Step `step` of 100, one process."""
        return Clock(step=step, steps=100)

    def begin_epoch(self, view: Batch) -> None:
        """What the pretext does before an epoch over the records of one view."""

        def bank() -> tuple[Tensor, Tensor]:
            with torch.no_grad():
                return view.facts.record, self.encoder.encode(view).pooled

        self.pretext.before_epoch(self.encoder, self.head, bank, self.clock(0), self.rng.fold("epoch"))

    def step(self, rows: Rows, step: int = 0) -> Outcome:
        """One whole step on some records."""
        outcome = self.losses(self.views(rows, step=step), step)
        self.optimiser.zero_grad()
        outcome.total.backward()
        self.optimiser.step()
        self.end_step(outcome, step)
        return outcome

    def end_step(self, outcome: Outcome, step: int) -> None:
        """What the pretext writes after a step."""
        state = {name: value.detach() for name, value in outcome.state.items()}
        self.pretext.after_step(self.encoder, self.head, state, self.clock(step))
