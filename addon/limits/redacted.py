"""Limits and budgets where [redact] is set: users, properties and repositories are pseudonyms in them as they are in the rows.

So no key of a bucket is a secret, and what is counted again from the rows has the same keys as what was admitted.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from addon.limits.rules import Budget, CallFacts, Limit, Match

if TYPE_CHECKING:
    from addon.redaction.redactor import Redactor

FactsOf = Callable[[CallFacts], CallFacts]


def redacted_facts(redactor: "Redactor", facts: CallFacts) -> CallFacts:
    """May be done twice: a pseudonym stays what it is."""
    names, values = list(facts.properties), list(facts.properties.values())
    model, repository, *texts = redactor.texts([facts.model or "", facts.repository or "", *names, *values])
    return replace(
        facts,
        user=redactor.user(facts.user) if facts.user else facts.user,
        model=model or None,
        repository=repository or None,
        properties=dict(zip(texts[: len(names)], texts[len(names) :], strict=True)),
    )


def redacted_rule[R: Limit | Budget](redactor: "Redactor", rule: R) -> R:
    """What it matches, as it stands in the rows."""
    return replace(rule, match=_redacted_match(redactor, rule.match))


def names_somebody(rule: Limit | Budget) -> bool:
    """Whether its match has text that redaction may change."""
    match = rule.match
    return bool(match.user or match.repository or match.properties)


def _redacted_match(redactor: "Redactor", match: Match) -> Match:
    names, values = [name for name, _ in match.properties], [value for _, value in match.properties]
    repository, *texts = redactor.texts([match.repository or "", *names, *values])
    return replace(
        match,
        user=redactor.user(match.user) if match.user else match.user,
        repository=repository or None,
        properties=tuple(zip(texts[: len(names)], texts[len(names) :], strict=True)),
    )
