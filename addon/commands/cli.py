"""`heliograph`: puts the commands together. Each is in a file of its own, which is imported when that command runs."""

import gc
import sys
from importlib import import_module
from typing import Any, Final

import click

from addon.commands.options import Failure, examples, unsupported
from addon.objects.store import StoreTrouble
from addon.storage.folders import NotOurs

# In order of the alphabet. A command is the function of that name in the module of that name in this folder.
_NAMES: Final = (
    "alerts",
    "budgets",
    "cache",
    "compact",
    "completion",
    "dashboard",
    "demo",
    "doctor",
    "env",
    "explain",
    "export",
    "fake",
    "feedback",
    "forget",
    "import",
    "keys",
    "limits",
    "prices",
    "reconcile",
    "record",
    "redact",
    "reload",
    "replay",
    "report",
    "reprice",
    "run",
    "service",
    "ship",
    "show",
    "sql",
    "tail",
    "up",
)
# These answer and end. What they import makes objects by the ten thousand and frees none: Python's collector, which looks through
# them each time that 2,000 are new, took a fifteenth of their CPU.
_ANSWERS: Final = ("report", "show", "sql")
_NEW_OBJECTS: Final = 200_000
_MODULES: Final = {"import": "import_calls", "limits": "budgets"}  # where it is not
_FUNCTIONS: Final = {"import": "import_calls"}  # where the name is a word of Python's


class _Commands(click.Group):
    """Imports a command when it is asked for: all of them take longer than most of them run."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_NAMES)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _NAMES:
            return None
        if cmd_name in _ANSWERS:
            gc.set_threshold(_NEW_OBJECTS)
        module = import_module(f"addon.commands.{_MODULES.get(cmd_name, cmd_name)}")
        command: click.Command = getattr(module, _FUNCTIONS.get(cmd_name, cmd_name))
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.NoSuchCommand as error:  # click knows no names to suggest
            raise click.NoSuchCommand(error.command_name, possibilities=_NAMES, ctx=ctx) from error

    def invoke(self, ctx: click.Context) -> Any:
        if reason := unsupported(sys.platform):  # before a command is imported: not all of them can be there
            raise Failure(reason)
        try:
            return super().invoke(ctx)
        except (NotOurs, StoreTrouble) as error:  # data that cannot be used; the message says what to do
            raise Failure(str(error)) from error


@click.group(
    cls=_Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog=examples(
        "heliograph demo                      see it work: no key, no network",
        "heliograph run -- python app.py      what did this program's calls cost?",
        'heliograph up                        a proxy that stays; then: eval "$(heliograph env)"',
        "heliograph report models             a table of what was measured",
    ),
)
@click.version_option(package_name="heliograph", message="heliograph %(version)s")
def main() -> None:
    """Measure, price and keep every LLM call that a program makes. Nothing in the program changes."""
