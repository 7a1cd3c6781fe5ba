"""Which of a call's model names it is priced by. A dated form, a provider's prefix and upper case do not make another
model."""

import re
from typing import Final

from addon.remember import remember_short

# No provider names a model with more; the patterns of price lists take time with the length.
LONGEST_MODEL: Final = 300
DATE: Final = re.compile(r"[-@](?:\d{4}-\d{2}-\d{2}|\d{8}|\d{4}|latest|default)$")
PREFIX: Final = re.compile(r"^(?:.*/)")
REGION: Final = re.compile(r"^(?:us|us-gov|eu|apac|global|jp|au|ca|in|sa|mx|uk)\.(?=[a-z0-9-]+\.)")
# Bedrock's names have the maker before a dot: `anthropic.claude-...`; the price depends on the region before it.
MAKER: Final = re.compile(r"^[a-z][a-z0-9]*\.(?=[a-z])")
# What a profile, an imported model or bought capacity stands for is in no name but its own.
ARN: Final = re.compile(r"^arn:aws[a-z-]*:bedrock:", re.IGNORECASE)
ROUTER: Final = "prompt-router/"  # sends a call to the model that the answer names
DATABRICKS: Final = "databricks-"  # what it serves by itself: databricks-gpt-oss-20b
MODEL_OVERRIDE: Final = "model_override"  # in a row's price factors: the name that the caller wants a call priced by
ROUTE: Final = re.compile(r":[a-z][a-z0-9-]*$")  # the route to it: `openai/gpt-oss-120b:cerebras`, `:nitro`
VERSION: Final = re.compile(r"(?:-v\d+)?:\d+$")  # Bedrock's: anthropic.claude-sonnet-4-5-20250929-v1:0


def same_model(one: str, other: str) -> bool:
    """`gpt-4o-2024-08-06` is a form of `gpt-4o`, `openai/gpt-4o` too; `gpt-4o-mini` is another model."""
    return plain_name(one) == plain_name(other)


@remember_short(1024)
def plain_name(name: str) -> str:
    """The name without date, version, route, region, maker and the provider's prefix, in lower case."""
    name = VERSION.sub("", MAKER.sub("", REGION.sub("", PREFIX.sub("", ROUTE.sub("", name.strip().lower())))))
    return DATE.sub("", name)


def priced_models(
    override: str | None, answered: str | None, asked: str | None, path_model: str | None
) -> list[str | None]:
    """The names to price by, best first. What was asked for counts where the answer names no model, or a form of it.

    Bedrock bills what its path names: an answer's own word for the model does not tell the region. Databricks bills its
    endpoints, whose answers name the model behind.
    """
    named = [name for name in (asked, path_model) if name and len(name) <= LONGEST_MODEL]
    if billed := [name for name in named if is_bedrocks(name) or name.startswith(DATABRICKS)]:
        return [override, *billed]
    others = [name for name in named if answered is None or same_model(answered[:LONGEST_MODEL], name)]
    return [name for name in (override, answered, *others) if name is None or len(name) <= LONGEST_MODEL]


def is_bedrocks(name: str) -> bool:
    """Whether a name is one of Bedrock's: `anthropic.claude-...`, `eu.meta.llama...`, or an ARN, unless it is a router's."""
    if ARN.match(name):
        return ROUTER not in name
    return _has_maker(name)


@remember_short(1024)
def _has_maker(name: str) -> bool:
    return MAKER.match(REGION.sub("", name.lower())) is not None
