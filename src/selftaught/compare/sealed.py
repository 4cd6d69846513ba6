"""The one look at the test part: the best candidate beside all controls."""

from __future__ import annotations

import numpy as np

from selftaught.compare.judge import difference
from selftaught.compare.legs import Finalist
from selftaught.compare.numbers import NumberJudge
from selftaught.compare.race import Race
from selftaught.compare.report import Tested
from selftaught.core.modality import Predictor
from selftaught.probes.budgets import nested_budgets, nested_draws
from selftaught.probes.curve import Contestant, label_efficiency
from selftaught.probes.ridge import PROTOCOL
from selftaught.recipe import read_recipe
from selftaught.runs.files import read_json
from selftaught.runs.folder import RunFolder
from selftaught.trials.controls import encoder_features, feature_controls
from selftaught.trials.parts import FEWEST_TEST, Parts, labelled_parts
from selftaught.trials.scores import ENCODER, SCRATCH, Score, score_rows
from selftaught.trials.supervised import Scratch, gather_controls, train_from_scratch

BUDGETS: tuple[int | None, ...] = (1, 2, 5, 10, 20, 50, None)
"""Labels a class at which the test part is read; all labels alone where they are numbers."""
TESTED_SCRATCH: tuple[int | None, ...] = (10, None)
"""Labels a class at which the supervised control is trained for the test part."""


def scratch_of(race: Race, finalist: Finalist, place: str) -> Scratch:
    """What the supervised control shares with a finalist; it may take as long as that was trained."""
    leg = finalist.legs[0]
    folder = RunFolder(leg.run)
    return Scratch(
        recipe=read_recipe(folder.recipe),
        fitted=race.track.fitted,
        labelling=race.track.prepared.labelling,
        plan=read_json(folder.plan),
        seconds=leg.seconds,
        place=race.track.out / "controls" / place,
        quiet=True,
    )


def read_test(race: Race, chosen: Finalist, control: str) -> Tested | None:
    """The best candidate's trainings of the last round, beside all controls; None where the test part is too small.

    control: the best one by the judge.
    """
    parts = labelled_parts(race.track.prepared, race.track.splits)
    if len(parts.test) < FEWEST_TEST:
        return None
    race.say(f"The test part, once: {chosen.name} beside the controls.")
    scratch = scratch_of(race, chosen, "test")
    if parts.values is not None:
        return _read_numbers(chosen, parts, scratch, control)
    budgets = nested_budgets(parts.labels[0], BUDGETS, groups=parts.train_groups)
    contestants: dict[str, Contestant] = {ENCODER: encoder_features(chosen.encoders, parts)}
    contestants |= gather_controls(chosen.encoders, parts, budgets, scratch, TESTED_SCRATCH, 1)
    curve = label_efficiency(contestants, ENCODER, parts.labels, budgets, parts.kin, beside=(SCRATCH,))
    return Tested(
        scores=score_rows(curve),
        best=tuple((best.per_class, best.name) for best in curve.best_controls),
        saved=curve.saved,
        not_applicable=curve.not_applicable,
        protocol=curve.protocol,
    )


def _read_numbers(chosen: Finalist, parts: Parts, scratch: Scratch, control: str) -> Tested | None:
    """R2 with all labels; None where all numbers of the test part are equal."""
    assert parts.values is not None  # the task is numbers
    if np.ptp(parts.values[parts.test]) == 0:
        return None
    budgets = nested_draws(len(parts.train), ())
    judge = NumberJudge(parts=(parts,), budgets=(budgets,), sizes=(None,), rows=parts.test)
    features = {ENCODER: encoder_features(chosen.encoders, parts), **feature_controls(chosen.encoders, parts)}
    found = {name: judge.join(name, [[judge.probe(each, 0) for each in sets]]) for name, sets in features.items()}
    for each in chosen.encoders[0].modality.classical():
        if isinstance(each, Predictor):
            found[each.name] = judge.classical(each)
    found[SCRATCH] = judge.join(SCRATCH, [[train_from_scratch(scratch, parts, budgets, (None,), 1)]])
    standings = judge.standings(found)
    scores = []
    for name, own in standings.items():
        lead = None if name == ENCODER else difference(standings[ENCODER], own)
        scores.append(
            Score(
                name=name, per_class=None, labels=len(parts.train), seeds=own.seeds, draws=1, value=own.value,
                low=own.low, high=own.high, balanced=None, lead=None if lead is None else lead.value,
                lead_low=None if lead is None else lead.low, lead_high=None if lead is None else lead.high,
            )
        )  # fmt: skip
    return Tested(scores=tuple(scores), best=((None, control),), saved=(), not_applicable=(), protocol=PROTOCOL)
