"""The section `[retention]` of `heliograph.toml`. As in models.py."""

from typing import Annotated

from pydantic import AfterValidator, Field, Strict

from addon.config.retention import ALLOWED, Retention, Rule, parse_days
from addon.config.section import Section
from addon.config.values import Text, says


def _kept_for(text: str) -> str:
    parse_days(text)
    return text


KeptFor = Annotated[
    str, Strict(), AfterValidator(_kept_for), says(f"is not a time that calls can be kept for; {ALLOWED}")
]


class RetentionRuleTable(Section):
    """
    [[retention.rules]]
    properties = { tier = "free" }
    requests = "90d"
    """

    provider: Text | None = Field(default=None, description="Only calls that this provider bills.")
    properties: dict[str, Text] = Field(default={}, description="Only calls that have all of these properties.")
    requests: KeptFor | None = Field(default=None, description="How long their rows are kept, as below.")
    bodies: KeptFor | None = Field(default=None, description="How long their bodies are kept.")

    def made(self) -> Rule:
        return Rule(
            provider=self.provider,
            properties=tuple((name.lower(), value) for name, value in self.properties.items()),
            requests_days=parse_days(self.requests) if self.requests else None,
            bodies_days=parse_days(self.bodies) if self.bodies else None,
        )


class RetentionTable(Section):
    """
    [retention]
    requests = "2y"
    bodies = "30d"
    """

    requests: KeptFor | None = Field(
        default=None, description="How long rows are kept, in days, weeks or years; without it for ever."
    )
    bodies: KeptFor | None = Field(default=None, description="How long bodies are kept; never longer than their rows.")
    rules: list[RetentionRuleTable] = Field(
        default=[], description="Other times for some calls; the first that fits a call decides."
    )

    def made(self) -> Retention:
        general = RetentionRuleTable(requests=self.requests, bodies=self.bodies)
        rules = [*self.rules, *([general] if general.requests or general.bodies else [])]
        return Retention(tuple(rule.made() for rule in rules))
