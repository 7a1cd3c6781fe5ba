"""`heliograph`: puts the commands together. Each is in a file of its own; none imports much before it runs."""

import sys
from typing import Any

import click

from addon.commands.alerts import alerts
from addon.commands.budgets import budgets, limits
from addon.commands.cache import cache
from addon.commands.completion import completion
from addon.commands.dashboard import dashboard
from addon.commands.demo import demo
from addon.commands.doctor import doctor
from addon.commands.env import env
from addon.commands.explain import explain
from addon.commands.fake import fake
from addon.commands.feedback import feedback
from addon.commands.keys import keys
from addon.commands.options import Failure, examples, unsupported
from addon.commands.prices import prices
from addon.commands.reload import reload
from addon.commands.report import report
from addon.commands.run import run
from addon.commands.service import service
from addon.commands.show import show
from addon.commands.sql import sql
from addon.commands.tail import tail
from addon.commands.up import up
from addon.storage.folders import NotOurs


class _Commands(click.Group):
    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except NotOurs as error:  # a data folder that is not used; the message says what to do
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
    if reason := unsupported(sys.platform):
        raise Failure(reason)


for _command in (
    up,
    run,
    env,
    demo,
    fake,
    doctor,
    reload,
    service,
    keys,
    budgets,
    limits,
    alerts,
    cache,
    dashboard,
    report,
    sql,
    tail,
    show,
    explain,
    prices,
    feedback,
    completion,
):
    main.add_command(_command)
