"""What a message of Anthropic's is billed for: each sampling at the price of the model that ran it.

`usage.iterations` "is the per-attempt record of what you're billed", the totals describe "only the attempt that produced
the returned message". https://platform.claude.com/docs/en/build-with-claude/refusals-and-fallback#billing-and-rate-limits
Fields: anthropic/types/beta/beta_usage.py and beta_iterations_usage.py
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from addon.providers.fields import at, count, items, merged, string
from addon.providers.model import Json, Usage
from addon.providers.shares import added, by_model, larger

_KNOWN: Final = frozenset({"message", "compaction", "advisor_message", "fallback_message"})
# Refusals that are billed though nothing was generated.
# https://platform.claude.com/docs/en/build-with-claude/refusals-and-fallback#how-refusals-are-billed
_BILLED_REFUSALS: Final = frozenset({"bio", "frontier_llm", "reasoning_extraction"})


@dataclass(slots=True, kw_only=True)
class Billed:
    """`usage`: all that is billed. `shares`: the parts of it that other models than `model` used."""

    model: str | None = None  # that answered
    usage: Usage | None = None
    shares: dict[str, Usage] = field(default_factory=dict)
    unknown_kinds: str | None = None  # of samplings whose price nobody knows
    is_refusal_unbilled: bool = False  # refused before any output, and nothing else is billed


def usage(raw: Json) -> Usage | None:
    """Anthropic leaves cached tokens out of its `input_tokens`; ours, like OpenTelemetry's, has them in."""
    uncached = count(at(raw, "input_tokens"))
    cache_read = count(at(raw, "cache_read_input_tokens"))
    cache_creation = count(at(raw, "cache_creation_input_tokens"))
    if cache_creation is None and (written := at(raw, "cache_creation")):  # the total may be null beside its parts
        parts = [count(at(written, f"ephemeral_{kept}_input_tokens")) for kept in ("5m", "1h")]
        cache_creation = sum(filter(None, parts)) if parts != [None, None] else None
    output = count(at(raw, "output_tokens"))
    if uncached is None and output is None:
        return None
    return Usage(
        input_tokens=None if uncached is None else uncached + (cache_read or 0) + (cache_creation or 0),
        cache_read_input_tokens=cache_read,
        cache_creation_input_tokens=cache_creation,
        cache_creation_1h_input_tokens=count(at(raw, "cache_creation", "ephemeral_1h_input_tokens")),
        output_tokens=output,
        reasoning_output_tokens=count(at(raw, "output_tokens_details", "thinking_tokens")),
    )


def later(earlier: Json, stated: Json) -> Json:
    """The usage after a `message_delta`, which states running totals. Some servers state the input in `message_start` alone
    and end with zeros, which do not take it back."""
    if isinstance(stated, dict) and not any(count(at(stated, name)) for name in _INPUT):
        stated = {name: value for name, value in stated.items() if name not in _INPUT or not count(at(earlier, name))}
    return merged(earlier, stated)


_INPUT: Final = ("input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")


def billed(message: Json, raw: Json, blocks: Sequence[Json], refusal: Json) -> Billed:
    """`blocks`: the content's, as far as they came. `refusal`: the `stop_details` of a message that stopped with
    "refusal", {} where it has none; None for every other message."""
    iterations = items(at(raw, "iterations"))
    model = _answered_by(iterations) or string(at(message, "model"))
    total = usage(raw)
    # Of other companies that serve this shape nobody knows whether they bill a refusal.
    declined = "claude" in (model or "").lower() and _declined(refusal, blocks)
    if not iterations:
        return Billed(model=model, usage=total, is_refusal_unbilled=declined)
    whole = None if declined else _own(total, iterations, model)
    shares = _shares(iterations, model, blocks)
    for share in shares.values():
        whole = added(whole, share)
    return Billed(
        model=model,
        usage=total if whole is None else whole,
        shares=shares,
        unknown_kinds=",".join(sorted({_kind(entry) for entry in iterations} - _KNOWN)) or None,
        is_refusal_unbilled=declined and whole is None,
    )


def _answered_by(iterations: Sequence[Json]) -> str | None:
    """A stream that fell back to another model amid its words has named the first one before."""
    served = (string(at(entry, "model")) for entry in reversed(iterations) if _kind(entry) == "fallback_message")
    return next(served, None)


def _kind(entry: Json) -> str:
    return string(at(entry, "type")) or "unnamed"


def _own(total: Usage | None, iterations: Sequence[Json], model: str | None) -> Usage | None:
    """What the answer's own model used.

    The totals hold the output of all its samplings, but the input of the first one only (advisors) or of all (tools):
    https://platform.claude.com/docs/en/agents-and-tools/tool-use/advisor-tool#usage-and-billing. They never hold what the
    context was compacted with, nor an advisor, which may be the same model.
    """
    sampled: Usage | None = None
    beside: Usage | None = None
    for entry in iterations:
        if string(at(entry, "model")) not in (None, model) or (stated := usage(entry)) is None:
            continue
        if _kind(entry) in ("compaction", "advisor_message"):
            beside = added(beside, stated)
        else:
            sampled = added(sampled, stated)
    own = larger(total, sampled) if total and sampled else total or sampled
    return added(own, beside) if beside else own


def _shares(iterations: Sequence[Json], model: str | None, blocks: Sequence[Json]) -> dict[str, Usage]:
    """By model: advisors, and models that declined."""
    unbilled = _unbilled(iterations, blocks)
    return by_model(
        (other, usage(entry) or Usage())
        for entry in iterations
        if (other := string(at(entry, "model"))) not in (None, model)
        and not (_kind(entry) == "message" and other in unbilled)
    )


def _unbilled(iterations: Sequence[Json], blocks: Sequence[Json]) -> set[str | None]:
    """The models that declined before any output: that is billed only for some categories."""
    categories = {
        string(at(block, "from", "model")): string(at(block, "trigger", "category"))
        for block in blocks
        if at(block, "type") == "fallback"
    }
    sampled = [entry for entry in iterations if _kind(entry) == "message"]
    silent = {string(at(entry, "model")) for entry in sampled} - {
        string(at(entry, "model")) for entry in sampled if count(at(entry, "output_tokens")) != 0
    }
    return {model for model in silent if categories.get(model) not in _BILLED_REFUSALS}


def _declined(refusal: Json, blocks: Sequence[Json]) -> bool:
    """Whether the answer is a refusal that came before any output, and is not billed."""
    if refusal is None or string(at(refusal, "category")) in _BILLED_REFUSALS:
        return False
    return all(at(block, "type") == "fallback" for block in blocks)
