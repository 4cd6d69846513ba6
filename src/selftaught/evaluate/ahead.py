"""Forecasts from frozen features of one long recording, beside the untrained twin, lags and the last season."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from selftaught.core.errors import DataError, UsageError
from selftaught.engine.embedding import untrained_twin
from selftaught.evaluate.subject import Subject
from selftaught.probes.forecast import ForecastScore, TimeParts, forecast
from selftaught.probes.sliding import embed_causal
from selftaught.probes.statistics import Estimate as Measured
from selftaught.reports.blocks import Cell, Column, Estimate, Table
from selftaught.trials.scores import ENCODER, TWIN


def parse_horizons(given: Sequence[int | str]) -> tuple[int, ...]:
    """Steps ahead. Raises UsageError for what is no whole number of 1 or more."""
    if not all(isinstance(each, int) and each > 0 for each in given):
        raise UsageError(f"--forecast takes whole numbers of steps ahead, such as 24,168; got {given}.")
    return tuple(int(each) for each in given)


def score_forecasts(subject: Subject, horizons: Sequence[int]) -> tuple[ForecastScore, ...]:
    """The errors of every way at every horizon; features are those of a training window that ends with the step.

    Of the first run alone. Raises UsageError for data without time steps, DataError where it is not one recording.
    """
    first = subject.encoders[0]
    if "time" not in first.modality.offers or first.modality.shape is None:
        raise UsageError(f"--forecast is for records with time steps; {first.modality.name} has none. Leave it out.")
    stream, parts = join_stream(subject)
    values, steps, context = stream.double().numpy(), np.arange(len(stream)), first.modality.shape[0]
    features = embed_causal(first, stream, steps, context)
    unlearned = embed_causal(untrained_twin(first, 1000), stream, steps, context)
    found: list[ForecastScore] = []
    for horizon in horizons:
        own, *others = forecast(features, values, horizon, parts)
        twin = forecast(unlearned, values, horizon, parts)[0]
        found += [replace(own, name=ENCODER), replace(twin, name=TWIN), *others]
    return tuple(found)


def join_stream(subject: Subject) -> tuple[Tensor, TimeParts]:
    """The one recording, (steps, channels), that the records are pieces of, and where its parts end, in steps."""
    splits = subject.splits
    validation = splits.validation
    whole = bool(len(splits.train) and len(validation) and len(splits.test))
    apart = whole and splits.train.max() < validation.min() and validation.max() < splits.test.min()
    owners = {record_id.rpartition("#")[0] for record_id in subject.store.ids}
    if not apart or len(owners) > 1 or "" in owners:
        raise DataError(
            "--forecast needs one long recording, cut in order of time into training, validation and test, as a table "
            "with one row a step and no column of ids is. Leave it out, or give such data."
        )
    pieces = [subject.store.rows([index]).fields["values"][0] for index in range(len(subject.store))]
    ends = np.cumsum([0, *map(len, pieces)])
    parts = TimeParts(train=int(ends[validation.min()]), validation=int(ends[splits.test.min()]))
    return torch.cat(pieces), parts


def forecast_table(scores: Sequence[ForecastScore]) -> Table:
    """Ways by horizons; the least error of each horizon is marked."""
    horizons = list(dict.fromkeys(score.horizon for score in scores))
    names = list(dict.fromkeys(score.name for score in scores))
    rows: list[tuple[Cell, ...]] = []
    for name in names:
        cells: list[Cell] = [name]
        for horizon in horizons:
            own = next((score for score in scores if (score.name, score.horizon) == (name, horizon)), None)
            cells += [None, None] if own is None else [_cell(own.mse), _cell(own.mae)]
        rows.append(tuple(cells))
    best = [min((s for s in scores if s.horizon == horizon), key=lambda s: s.mse.value) for horizon in horizons]
    return Table(
        columns=("way", *(Column(name=f"{kind}, {h} steps", digits=3) for h in horizons for kind in ("MSE", "MAE"))),
        rows=tuple(rows),
        title="Forecasts of the test part",
        caption="Of values brought to mean 0 and deviation 1 over the training part; 95 % intervals over blocks of a "
        "horizon. Ridge regression on frozen features that know the past only.",
        best=tuple((names.index(each.name), 1 + 2 * place) for place, each in enumerate(best)),
        main=(names.index(ENCODER),),
    )


def say_forecasts(scores: Sequence[ForecastScore]) -> tuple[str, ...]:
    """One sentence a horizon: who has the least error, and whether the intervals tell it from the encoder's."""
    sentences = []
    for horizon in dict.fromkeys(score.horizon for score in scores):
        own, *others = (score for score in scores if score.horizon == horizon)
        rival = min(others, key=lambda score: score.mse.value)
        verb = "beats" if own.mse.high < rival.mse.low else "loses to" if rival.mse.high < own.mse.low else ""
        told = f"the encoder {verb} {rival.name}" if verb else f"no clear winner between the encoder and {rival.name}"
        sentences.append(f"{horizon} steps ahead: {told} (MSE {own.mse.value:.3f} against {rival.mse.value:.3f}).")
    return tuple(sentences)


def _cell(found: Measured) -> Estimate:
    return Estimate(value=found.value, low=found.low, high=found.high, digits=3)
