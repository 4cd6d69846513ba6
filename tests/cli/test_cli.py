"""The door: help that the docs repeat, options read off functions, values as TOML writes them."""

import re
from pathlib import Path

import click
import pytest
from tests.cli.reference import PAGE, page
from tests.journeys.photos import call

from selftaught.cli import VERBS, build_recipe, door, explanation, nearest, toml_value
from selftaught.core.errors import UsageError
from selftaught.encoders import Timm, Transformer
from selftaught.pretexts import MAE, VICReg
from selftaught.reports import Code, Curve, LinePlot, Section, Text, Verdict
from selftaught.reports.text import render_text

NOTHING = dict.fromkeys(
    "modality encoder pretext size minutes epochs steps batch accumulate precision ema seed".split(),  # noqa: SIM905
)
FENCE = re.compile(r"^```console\n(.*?)^```", re.MULTILINE | re.DOTALL)


def recipe_of(*changes: str, recipe_file: Path | None = None, **flags: object):
    return build_recipe({**NOTHING, **flags, "changes": changes, "recipe_file": recipe_file})


def commands() -> dict[str, click.Command]:
    with click.Context(door) as context:
        found = {name: door.get_command(context, name) for name in VERBS}
    return {name: command for name, command in found.items() if command is not None}


def test_the_page_of_the_command_line_repeats_what_help_says() -> None:
    assert PAGE.read_text() == page(), "docs/reference/cli.md is out of date; run: python -m tests.cli.reference"


@pytest.mark.parametrize("verb", VERBS)
def test_every_option_says_what_it_does(verb: str) -> None:
    for option in commands()[verb].params:
        if isinstance(option, click.Option):
            assert option.help, f"{verb} {option.opts}"


@pytest.mark.parametrize("verb", VERBS)
def test_help_speaks_of_no_exception(verb: str) -> None:
    said = call(verb, "--help")
    assert said.code == 0
    assert "Raises" not in said.out
    assert "Error" not in said.out


def test_explanations_keep_all_but_what_is_raised() -> None:
    def stage() -> None:
        """Does it.

        Reads once. Raises DataError for bad
        data.

        More.
        """

    assert explanation(stage) == "Does it.\n\nReads once.\n\nMore."


def test_every_command_of_the_docs_has_only_options_that_exist(root: Path) -> None:
    known = commands()
    pages = [root / "README.md", *(root / "docs").rglob("*.md")]
    checked = 0
    for path in pages:
        lines = [line for block in FENCE.findall(path.read_text()) for line in block.splitlines()]
        for line in lines:
            words = line.removeprefix("$ ").split()
            if words[:1] != ["selftaught"]:
                continue
            verb, options = words[1], [word for word in words[2:] if word.startswith("--")]
            taken = {name for option in known[verb].params for name in option.opts} | {"--help"}
            assert set(options) <= taken, f"{path.name}: {line}"
            checked += 1
    assert checked >= 12


def test_options_named_in_the_prose_of_the_docs_exist(root: Path) -> None:
    taken = {name for command in commands().values() for option in command.params for name in option.opts}
    taken |= {"--help", "--version"}
    for path in (root / "docs").rglob("*.md"):
        if path.parent.name == "why":
            continue
        for option in re.findall(r"`(--[a-z-]+)", path.read_text()):
            assert option in taken, f"{path.name} names {option}"


def test_flags_win_over_the_file_and_set_wins_over_flags(tmp_path: Path) -> None:
    file = tmp_path / "recipe.toml"
    file.write_text('steps = 5\nseed = 1\nbatch = 32\n[pretext]\ntype = "VICReg"\n')
    recipe = recipe_of("seed=3", recipe_file=file, seed=2, batch=64)
    assert (recipe.steps, recipe.seed, recipe.batch) == (5, 3, 64)
    assert isinstance(recipe.pretext, VICReg)


def test_a_budget_on_the_command_line_takes_the_place_of_the_one_in_the_file(tmp_path: Path) -> None:
    (tmp_path / "recipe.toml").write_text("minutes = 5\n")
    recipe = recipe_of(recipe_file=tmp_path / "recipe.toml", steps=7)
    assert (recipe.minutes, recipe.steps) == (None, 7)


def test_parts_are_named_in_any_case_and_timm_models_by_their_name() -> None:
    assert isinstance(recipe_of(pretext="MAE").pretext, MAE)
    assert isinstance(recipe_of(encoder="transformer").encoder, Transformer)
    timm = recipe_of(encoder="timm:resnet18").encoder
    assert isinstance(timm, Timm)
    assert timm.name == "resnet18"


def test_set_reaches_the_fields_of_a_part() -> None:
    recipe = recipe_of("encoder.depth=3", "pretext.drop=0.5", encoder="transformer", pretext="mae")
    assert recipe.encoder.depth == 3
    assert recipe.pretext.drop == 0.5
    with pytest.raises(UsageError, match="Name it too"):
        recipe_of("encoder.depth=3")


@pytest.mark.parametrize(
    ("text", "value"), [("1", 1), ("0.5", 0.5), ("true", True), ("word", "word"), ('"1"', "1"), ("[1, 2]", [1, 2])]
)
def test_values_are_read_as_toml_and_bare_words_are_text(text: str, value: object) -> None:
    assert toml_value(text) == value


def test_the_nearest_name_is_found_whatever_its_case() -> None:
    assert nearest("SIMCLRR", ["SimCLR", "MAE"]) == " Did you mean 'SimCLR'?"
    assert nearest("zzz", ["SimCLR", "MAE"]) == ""


def test_version_and_a_bare_call_answer() -> None:
    assert "0.1.0" in call("--version").out
    bare = call()
    assert "pretrain" in bare.out + bare.err


def test_a_terminal_gets_the_brief_form_of_a_section_and_the_start_of_long_code() -> None:
    long = Code(code="\n".join(f"line {index}" for index in range(40)))
    plot = LinePlot(
        curves=(Curve(name="loss", x=tuple(range(20)), y=tuple(range(20))),), x_label="step", y_label="loss"
    )
    sections = (
        Section(title="Whole", blocks=(long, plot)),
        Section(title="Brief", blocks=(long,), brief=(Text(text="in a word"),)),
        Section(title="Page only", blocks=(plot,), brief=()),
    )
    text = render_text("Title", Verdict(headline="Done."), sections)
    assert "line 11" in text
    assert "line 12" not in text
    assert "28 more lines on the page" in text
    assert "4 of 20 points shown" in text
    assert "in a word" in text
    assert "Page only" not in text
