"""`heliograph prices MODEL`: what is known of a model's price, today or on another day; `heliograph prices update`."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from addon.commands.options import Failure, data_options, examples
from addon.commands.prices_update import update
from addon.config.mistakes import did_you_mean

if TYPE_CHECKING:
    from addon.metering.price_catalogue import Known


class _OfAModel(click.Group):
    """What is not a command is a model."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if args and args[0] not in self.commands and args[0] not in ("-h", "--help"):
            args = ["show", *args]
        return super().parse_args(ctx, args)


@click.group(
    cls=_OfAModel,
    short_help="Show what is known of a model's price; fetch the newest list.",
    epilog=examples(
        "heliograph prices gpt-5",
        "heliograph prices claude-sonnet-4-5 --provider anthropic --on 2026-01-31",
        "heliograph prices update",
    ),
)
def prices() -> None:
    """Print every price known of a MODEL (`heliograph prices MODEL`), or fetch the newest price list."""


@prices.command(
    short_help="Show what is known of a model's price. `heliograph prices MODEL` is the same.",
    epilog=examples("heliograph prices show gpt-5", "heliograph prices show gpt-5 --on 2026-01-31"),
)
@click.argument("model")
@click.option("--provider", metavar="NAME", help="Only this provider's price. Default: every provider's that has one.")
@click.option("--on", "day", type=click.DateTime(["%Y-%m-%d"]), help="On this day, UTC. Default: today.")
@click.option("--json", "as_json", is_flag=True, help="One array of objects.")
@data_options
def show(
    model: str, provider: str | None, day: datetime | None, as_json: bool, data: Path, config: Path | None
) -> None:
    """Print every price known of MODEL, its unit and its source.

    Your own `[[prices]]` are not in it: they win over all of these.
    """
    from addon.metering import fetched_list
    from addon.metering.own_prices import own_prices
    from addon.metering.price_catalogue import known_prices, model_names
    from addon.providers import registry

    if problem := fetched_list.use(data):
        click.echo(f"heliograph: {problem}", err=True)
    if provider is not None and provider not in registry.BY_NAME:
        near = did_you_mean(provider, registry.BY_NAME)
        allowed = near or f"; allowed are {', '.join(sorted(registry.BY_NAME))}"
        raise click.UsageError(f"--provider {provider!r} is not a provider{allowed}")
    own = own_prices()
    providers = [registry.BY_NAME[provider]] if provider else registry.PROVIDERS
    on = (day or datetime.now(UTC)).date()
    found = known_prices(providers, model, on, own)
    knowing = {price.provider for price in found if not price.is_mere_fee}
    found = [price for price in found if price.provider in knowing]
    if not found:
        near = did_you_mean(model, model_names(providers, own))
        raise Failure(f"no price for {model} on {on}{near}; give one with [[prices]] in heliograph.toml")
    if as_json:
        click.echo(json.dumps([_as_json(price) for price in found]))
        return
    for price in found:
        amount = f"{price.usd.normalize():f} USD per {price.per:,}"
        condition = f"  if {price.condition}" if price.condition else ""
        click.echo(f"{price.provider:<14} {price.model:<28} {price.unit:<24} {amount:<28} {price.source}{condition}")


prices.add_command(update)


def _as_json(price: "Known") -> dict[str, str | int]:
    return {
        "provider": price.provider,
        "model": price.model,
        "unit": price.unit,
        "usd": str(price.usd),
        "per": price.per,
        "condition": price.condition,
        "source": price.source,
    }
