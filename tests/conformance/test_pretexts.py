"""Every pretext, toys included, against the protocol. What needs data is in test_seam.py."""

import inspect
import json
import re
from typing import get_args

import pytest
from tests.toys.samples import SAMPLES
from tests.toys.training import LIBRARY, PRETEXTS, TRUNK, offers

from selftaught.core.config import from_dict, members, to_dict
from selftaught.core.errors import IllegalPair, UsageError
from selftaught.core.pretext import check_pair, flatten_plan, missing
from selftaught.encoders import AnyEncoder
from selftaught.pretexts import AnyPretext

HEADINGS = ("Use when", "Avoid when", "Losses", "Relations", "Source")
CAPABILITIES = {"tokens", "drop", "causal", "layers", "local"}
OFFERS = {"target", "order", "pair", "label", "transform", "time", "swap"}
EACH = pytest.mark.parametrize("pretext", PRETEXTS, ids=lambda pretext: type(pretext).__name__)


def test_every_pretext_of_the_union_is_tried():
    assert {type(pretext) for pretext in LIBRARY.values()} == set(get_args(AnyPretext))
    assert set(LIBRARY) == set(members(AnyPretext))


@EACH
def test_the_docstring_has_every_heading_once_and_in_order(pretext):
    text = inspect.getdoc(type(pretext))
    found = re.findall(rf"^({'|'.join(HEADINGS)}): \S", text, re.MULTILINE)
    assert tuple(found) == HEADINGS


@EACH
def test_needs_level_and_coupling_are_declared_in_known_words(pretext):
    declared = vars(type(pretext))
    assert declared["needs"] <= CAPABILITIES | OFFERS
    assert declared["level"] in ("token", "record")
    assert isinstance(declared["couples_records"], bool)


@EACH
def test_only_token_level_pretexts_let_documents_share_a_row(pretext):
    views = flatten_plan(pretext.plan())
    assert views
    assert pretext.level == "token" or not any(view.packed for view in views)
    assert ("target" in pretext.needs) == any(view.target for view in views)


@EACH
def test_a_pretext_survives_its_own_json(pretext):
    again = from_dict(type(pretext), json.loads(json.dumps(to_dict(pretext))))
    assert again == pretext


@EACH
def test_a_pretext_is_frozen(pretext):
    with pytest.raises(AttributeError):
        pretext.level = "record"


@EACH
@pytest.mark.parametrize("sample", SAMPLES.values(), ids=SAMPLES)
@pytest.mark.parametrize("encoder", get_args(AnyEncoder), ids=lambda kind: kind.__name__)
def test_an_illegal_pair_is_refused_with_reason_and_names_and_a_legal_one_is_not(pretext, sample, encoder):
    lacking = missing(pretext.needs, offers(sample), encoder.can)
    names = (sample.modality.name, encoder.__name__)
    if not lacking:
        assert check_pair(pretext, offers(sample), encoder.can, names, get_args(AnyEncoder)) is None
        return
    with pytest.raises(IllegalPair) as refusal:
        check_pair(pretext, offers(sample), encoder.can, names, get_args(AnyEncoder))
    said = str(refusal.value)
    assert all(word in said for word in (type(pretext).__name__, *names, *lacking))


def test_the_legal_matrix_of_the_toys_is_what_one_would_say():
    served = {
        name: {type(pretext).__name__ for pretext in PRETEXTS if not missing(pretext.needs, offers(sample), TRUNK.can)}
        for name, sample in SAMPLES.items()
    }
    anywhere = {"QueueContrast", "Cluster", "SimCLR", "VICReg", "Supervised"}
    assert served["documents"] == anywhere | {"MaskedToken", "NextToken", "NextWindow", "Order", "MAE"}
    assert served["table"] == anywhere | {"MaskedToken", "NextToken", "MAE"}
    assert served["pair"] == anywhere | {"Alignment"}
    assert served["image"] == anywhere | {"MaskedToken", "NextToken", "NextWindow", "Order", "MAE"}
    assert served["text"] == served["audio"] == served["image"]
    assert served["series"] == served["image"] | {"TS2Vec"}
    assert served["rows"] == served["table"] | {"VIME"}


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        ("SimCLR", {"views": 1}, "at least 2"),
        ("SimCLR", {"temperature": 0.0}, "above 0"),
        ("VICReg", {"views": 1}, "at least 2"),
        ("MAE", {"drop": 1.0}, "between 0 and 1"),
        ("MAE", {"heads": 3}, "divide"),
        ("MaskedToken", {"drop": 0.0}, "between 0 and 1"),
        ("MaskedToken", {"hidden": 0.9, "swapped": 0.2}, "at most 1"),
        ("MaskedToken", {"span": 0.5}, "1 or more"),
    ],
)
def test_options_that_cannot_work_are_refused_at_construction(name, options, said):
    with pytest.raises(UsageError, match=said):
        from_dict(AnyPretext, {"type": name, **options})
