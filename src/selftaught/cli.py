"""The command line: parse, call, print the report.

Options are read off the signatures of the stages and the fields of `Recipe`; there is no second list of them here.
"""

from __future__ import annotations

import difflib
import importlib
import inspect
import os
import re
import shlex
import signal
import sys
import tomllib
import types
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import MISSING, Field, fields
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import click

from selftaught.core.errors import SelftaughtError, UsageError

VERBS = {
    "demo": ("selftaught.api:demo", "Run the whole path on bundled pictures and write the report."),
    "compare": (
        "selftaught.compare:compare",
        "Race the pretexts on your data: which one to take, and whether it is worth it.",
    ),
    "pretrain": ("selftaught.pretrain:pretrain", "Train an encoder on unlabelled data."),
    "evaluate": ("selftaught.evaluate:evaluate", "Measure what pretraining gained, beside its controls."),
    "embed": ("selftaught.embed:embed", "Turn records into vectors."),
    "export": ("selftaught.export:export", "Hand an encoder over: ONNX, weights, model card."),
    "report": ("selftaught.api:report", "Show a run's report again, as text, JSON or page."),
    "list": ("selftaught.api:list_parts", "List parts and the legal combinations of them."),
    "doctor": ("selftaught.api:doctor", "Say what this machine and installation can do."),
}
SPELLED = {"start": "from"}
UNIONS = ("modality", "encoder", "pretext")
AUTO = "auto"
"""The pretext that a race chooses."""
PLACES = ("timm", "huggingface")
"""Encoders that a name of theirs follows after a colon."""


class Door(click.Group):
    """The command group; a verb's module is imported when the verb is asked for."""

    def list_commands(self, context: click.Context) -> list[str]:
        """All verbs, in the order a user types them."""
        return list(VERBS)

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        """The command of one verb, its options read off the function behind it."""
        if name not in VERBS:
            return None
        place, _ = VERBS[name]
        module, _, function = place.partition(":")
        return command(name, getattr(importlib.import_module(module), function))

    def resolve_command(
        self, context: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The verb that was asked for. Raises UsageError, with the nearest verb, where there is none of that name."""
        if args and args[0] not in VERBS and not args[0].startswith("-"):
            raise UsageError(f"there is no verb {args[0]!r}; there are {', '.join(VERBS)}.{nearest(args[0], VERBS)}")
        return super().resolve_command(context, args)

    def format_commands(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        """The verbs with their lines, without importing any of them."""
        with formatter.section("Verbs"):
            formatter.write_dl([(name, line) for name, (_, line) in VERBS.items()])


@click.group(cls=Door, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="selftaught")
def door() -> None:
    """Self-supervised learning with a measured verdict.

    Start with `selftaught demo`. Every verb explains itself: selftaught VERB --help.
    """


def command(name: str, function: Callable[..., Any]) -> click.Command:
    """A click command around a stage; where it returns a report, --json prints that as JSON."""
    hints = get_type_hints(function, include_extras=True)
    parameters: list[click.Parameter] = []
    for each in inspect.signature(function).parameters.values():
        if each.name == "recipe":
            parameters += recipe_options()
        elif hasattr(hints[each.name], "__metadata__"):
            parameters.append(parameter(each, hints[each.name]))

    if hints["return"] is not str:
        parameters.append(click.Option(["--json", "as_json"], is_flag=True, help="print the report as JSON only"))

    def call(as_json: bool = False, **given: Any) -> None:
        finish(run_verb(function, dict(given)), given, as_json)

    return click.Command(name, params=parameters, callback=call, help=explanation(function))


def explanation(function: Callable[..., Any]) -> str:
    """The docstring of a stage without what it raises, which is for readers of Python."""
    return re.sub(r"\s*\bRaises [^\n]*(\n[^\n]+)*", "", inspect.getdoc(function) or "").strip()


def parameter(each: inspect.Parameter, hint: Any) -> click.Parameter:
    """An argument for a positional parameter, an option for a keyword-only one."""
    from selftaught.data.labelling import Given

    kind, text = hint.__origin__, hint.__metadata__[0]
    if each.kind is inspect.Parameter.VAR_POSITIONAL:
        return click.Argument(
            [each.name], nargs=-1, required=True, type=converter(kind), metavar=f"{each.name.upper()}..."
        )
    if each.kind is not inspect.Parameter.KEYWORD_ONLY:
        return click.Argument([each.name], required=True, type=converter(kind))
    spelled = SPELLED.get(each.name, each.name).replace("_", "-")
    if kind is bool:
        return click.Option([f"--{spelled}", each.name], is_flag=True, default=each.default, help=text)
    names, shown = [f"--{spelled}", each.name], each.default not in (None, ())
    named = "NAME|FILE" if kind == Given else None
    default = ",".join(map(str, each.default)) if isinstance(each.default, tuple) else each.default
    return click.Option(
        names, type=click.STRING if named else converter(kind), default=default, show_default=shown, help=text,
        metavar=named,
    )  # fmt: skip


def recipe_options() -> list[click.Parameter]:
    """One option per plain field of Recipe, names for the unions, and --recipe and --set for everything else."""
    from selftaught.recipe import Recipe

    hints = get_type_hints(Recipe)
    options: list[click.Parameter] = [
        click.Option(["--recipe", "recipe_file"], type=click.Path(path_type=Path), help="start from a recipe.toml"),
        click.Option(
            ["--set", "changes"],
            multiple=True,
            metavar="KEY=VALUE",
            help="change any field of the recipe, such as optimiser.lr=0.002 (values as in TOML)",
        ),
    ]
    for each in fields(Recipe):
        text = each.metadata.get("help", "")
        if each.name in UNIONS:
            options.append(click.Option([f"--{each.name}"], help=f"{text} ({', '.join(plain_names(each.name))})"))
        elif each.name not in ("optimiser", "resolution"):
            default = None if each.default is None else f" [default: {each.default}]"
            options.append(
                click.Option([f"--{each.name}"], type=converter(hints[each.name]), help=text + (default or ""))
            )
    return options


def union_members(name: str) -> dict[str, type]:
    """The parts that one union field of Recipe may be, by name."""
    from selftaught.core.config import members
    from selftaught.recipe import Recipe

    return members(get_type_hints(Recipe)[name])


def plain_names(union: str) -> list[str]:
    """The parts that a name alone describes; the others need fields, which a recipe.toml holds."""
    known = union_members(union)
    names = [name for name, kind in known.items() if all(has_default(each) for each in fields(kind))]
    names += [AUTO] if union == "pretext" else []
    return [*sorted(names), *(f"{place}:NAME" for place in PLACES if place in known)]


def has_default(each: Field[Any]) -> bool:
    """Whether a field of a part may be left out."""
    return each.default is not MISSING or each.default_factory is not MISSING


def build_recipe(given: dict[str, Any]) -> Any:
    """The recipe of a command line: a file or the defaults, then flags, then --set; taken out of `given`."""
    from selftaught.core.config import override
    from selftaught.recipe import Recipe, read_recipe

    path, changes = given.pop("recipe_file"), given.pop("changes")
    flags = {each.name: given.pop(each.name) for each in fields(Recipe) if each.name in given}
    content = {each.name: getattr(read_recipe(path) if path else Recipe(), each.name) for each in fields(Recipe)}
    budgets = ("minutes", "epochs", "steps")
    if any(flags.get(name) is not None for name in budgets):
        content |= dict.fromkeys(budgets)
    for name, value in flags.items():
        if value is not None:
            content[name] = named_part(name, value) if name in UNIONS else value
    recipe = Recipe(**content)
    wanted: dict[str, Any] = {}
    for change in changes:
        key, found, text = change.partition("=")
        if not found:
            raise UsageError(f"--set takes KEY=VALUE; got {change!r}.")
        if key.strip().partition(".")[0] not in wanted:
            check_named(recipe, key.strip())
        wanted[key.strip()] = toml_value(text.strip())
    return override(recipe, wanted)


def check_named(recipe: Any, key: str) -> None:
    """Raises UsageError for a field of a part that is still to be chosen from the data, such as encoder.widths."""
    part, _, field = key.partition(".")
    if field and part in UNIONS and getattr(recipe, part) is None:
        raise UsageError(
            f"--set {key}: the {part} is chosen from the data when you do not name one, so it has no fields yet. "
            f"Name it too: --{part} {'|'.join(plain_names(part))}."
        )


def nearest(name: str, known: Iterable[str]) -> str:
    """A question that names the nearest known name, whatever its case, or nothing."""
    lower = {each.lower(): each for each in known}
    found = difflib.get_close_matches(name.lower(), lower, n=1)
    return f" Did you mean {lower[found[0]]!r}?" if found else ""


def named_part(union: str, name: str) -> Any:
    """A part by name; `timm:NAME` and `huggingface:NAME` are models of others. Raises UsageError for an unknown one."""
    from selftaught.core.config import from_dict, to_dict
    from selftaught.encoders import HuggingFace
    from selftaught.recipe import Recipe

    known = union_members(union)
    place, _, inner = name.partition(":")
    if name.lower() not in known and not (inner and place in PLACES and place in known):
        names = ", ".join(plain_names(union))
        raise UsageError(f"--{union} {name} is unknown; there are {names}.{nearest(name, known)}")
    content: dict[str, Any] = {"type": name}
    if inner and place == "timm":
        content = {"type": "Timm", "name": inner}
    if inner and place == "huggingface":
        content = to_dict(HuggingFace.of(inner))
    return from_dict(get_type_hints(Recipe)[union], content, f"--{union}")


def toml_value(text: str) -> Any:
    """A value as TOML writes it; bare words are strings."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def converter(kind: Any) -> Any:
    """The click type of an annotation."""
    kind = getattr(kind, "__origin__", kind) if hasattr(kind, "__metadata__") else kind
    if get_origin(kind) in (Union, types.UnionType):
        plain = [part for part in get_args(kind) if part is not type(None)]
        return converter(
            next((part for part in plain if part in (int, float, Path)), str) if len(plain) > 1 else plain[0]
        )
    if get_origin(kind) is Literal:
        return click.Choice([str(choice) for choice in get_args(kind)])
    if get_origin(kind) is tuple:
        return Words()
    return {int: click.INT, float: click.FLOAT, Path: click.Path(path_type=Path)}.get(kind, click.STRING)


class Words(click.ParamType[tuple[Any, ...]]):
    """Words between commas; whole numbers become numbers."""

    name = "a,b,..."

    def convert(self, value: Any, option: click.Parameter | None, context: click.Context | None) -> tuple[Any, ...]:
        """The parts of the text."""
        if isinstance(value, tuple):
            return value
        parts = [part.strip() for part in str(value).split(",") if part.strip()]
        return tuple(int(part) if part.isdecimal() else part for part in parts)


def run_verb(function: Callable[..., Any], given: dict[str, Any]) -> Any:
    """Calls a stage with what the command line gave."""
    signature = inspect.signature(function)
    if given.get("pretext") == AUTO:
        given["pretext"] = None  # compare chooses anyway
        if function.__name__ == "pretrain":
            from selftaught.api import pretrain_best as function
    if "recipe" in signature.parameters:
        given["recipe"] = build_recipe(given)
    positional: list[Any] = []
    for each in signature.parameters.values():
        if each.kind is inspect.Parameter.VAR_POSITIONAL:
            positional += given.pop(each.name)
        elif each.kind is not inspect.Parameter.KEYWORD_ONLY:
            positional.append(given.pop(each.name))
    return function(*positional, **given)


def finish(result: Any, given: Mapping[str, Any], as_json: bool) -> None:
    """Prints a report as text or JSON, then where its page is and what to type next; a text as it is."""
    if int(os.environ.get("RANK", "0")):
        return  # of several processes under torchrun the first one speaks
    if isinstance(result, str):
        click.echo(result)
    elif as_json:
        click.echo(result.json(samples=not given.get("no_samples")), nl=False)
    else:
        click.echo(result.text(samples=not given.get("no_samples")))
        for line in closing(result, given):
            click.echo(line)


def closing(result: Any, given: Mapping[str, Any]) -> list[str]:
    """The last lines after a training or an evaluation."""
    from selftaught.compare.report import CompareReport
    from selftaught.evaluate.report import EvaluateReport
    from selftaught.evaluate.several import SeveralReport
    from selftaught.pretrain.report import PretrainReport

    if isinstance(result, (EvaluateReport, SeveralReport, CompareReport)):
        return [f"Report: {result.page}"]
    if isinstance(result, PretrainReport):
        labels = "" if given["labels"] else " --labels NAME|FILE"
        return [
            f"Report: {result.folder / 'reports' / 'pretrain' / 'report.html'}",
            f"Next:   selftaught evaluate {shlex.quote(str(result.folder))}{labels}",
        ]
    return []


def main(arguments: Sequence[str] | None = None) -> None:
    """The entry point. Exit codes: 0, 2 usage, 3 data, 4 gate, 130 interrupted."""
    before = signal.signal(signal.SIGTERM, _terminate)  # the loop has its own, which finishes the step first
    try:
        door.main(args=arguments, prog_name="selftaught", standalone_mode=False)
    except click.exceptions.Abort as stop:
        why = str(stop.__cause__ or "") or "Ctrl-C"
        sys.exit(_say(f"Interrupted ({why}). Repeat the same command to go on where it stopped.", 130))
    except click.exceptions.Exit as leave:
        sys.exit(leave.exit_code)
    except click.ClickException as problem:
        problem.show()
        sys.exit(problem.exit_code)
    except SelftaughtError as problem:
        sys.exit(_say(f"Error: {problem}", problem.exit_code))
    finally:
        signal.signal(signal.SIGTERM, before)


def _terminate(number: int, frame: types.FrameType | None) -> None:
    raise KeyboardInterrupt("SIGTERM")


def _say(text: str, code: int) -> int:
    click.echo(text, err=True)
    return code


if __name__ == "__main__":
    main()
