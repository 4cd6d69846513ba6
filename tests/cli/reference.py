"""The page of the command line: `python -m tests.cli.reference` writes docs/reference/cli.md."""

from pathlib import Path

import click

from selftaught.cli import VERBS, door

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "cli.md"
WIDTH = 88
HEAD = """# Command line

<!-- Made by `python -m tests.cli.reference`; a test compares it with what `--help` says. -->

What each verb says to `--help`. Options are read off the functions of the Python interface and the fields of
`Recipe`, so there is no second list of them.

Exit codes: 0 is success, 2 a wrong command, 3 a fault in the data or in a run folder, 4 a gate that was not met, 130 an
interruption. Reports go to standard output; progress, estimates and errors go to standard error.
"""


def help_of(command: click.Command, name: str) -> str:
    """What a command says to --help, at a fixed width."""
    with click.Context(command, info_name=name, terminal_width=WIDTH, help_option_names=["-h", "--help"]) as context:
        return command.get_help(context)


def page() -> str:
    """The whole page."""
    with click.Context(door, info_name="selftaught") as context:
        verbs = {name: door.get_command(context, name) for name in VERBS}
    parts = [HEAD, f"```text\n{help_of(door, 'selftaught')}\n```\n"]
    for name, command in verbs.items():
        assert command is not None  # the name is one of VERBS
        parts.append(f"## {name}\n\n```text\n{help_of(command, f'selftaught {name}')}\n```\n")
    return "\n".join(parts)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
