"""Runs of OpenAI's evaluations: models that answer, and models that grade. openai 3.54, types/evals/run_retrieve_response.py

Starting a run is no row. A look at it is: one that finds its end states what each model used. A grader that is tried by itself
(`/fine_tuning/alpha/graders/run`) states its tokens in a shape that is nowhere told, and has no row.
"""

from dataclasses import replace
from functools import reduce
from typing import Final

from addon.providers.fields import at, count, error_type, items, string
from addon.providers.model import Json, Operation, Reading, Usage
from addon.providers.polled import found_done, under_way
from addon.providers.shares import added, by_model, share_units

_ENDS: Final = frozenset({"completed", "failed", "canceled"})


def read_run(body: Json) -> Reading:
    """`{id, status, model, per_model_usage: [{model_name, prompt_tokens, cached_tokens, completion_tokens}]}`"""
    name, status, raw = string(at(body, "id")), string(at(body, "status")), items(at(body, "per_model_usage"))
    shares = by_model((string(at(one, "model_name")) or "unnamed", _usage(one)) for one in raw)
    only = next(iter(shares)) if len(shares) == 1 else None
    reading = Reading(
        response_model=only,
        response_id=name,
        usage=reduce(added, shares.values()) if shares else None,
        usage_raw=raw or None,
        units={} if only else share_units(shares),
        error_type=error_type(body) or string(at(body, "error", "code")),
    )
    if status is None:  # an error
        return reading
    if status not in _ENDS:
        return under_way(reading, is_look=True)
    ended = replace(reading, finish_reasons=(status,), is_free=not raw)  # an evaluation without a model compares texts
    return found_done(ended, f"eval run {name}") if raw else ended


def _usage(told: Json) -> Usage:
    return Usage(
        input_tokens=count(at(told, "prompt_tokens")),
        cache_read_input_tokens=count(at(told, "cached_tokens")),
        output_tokens=count(at(told, "completion_tokens")),
    )


def evals(base: str) -> Operation:
    """`base`: a regular expression such as `/v1`."""
    return Operation(
        name="eval_run",
        method="GET",
        path=f"{base}/evals/[^/]+/runs/[^/]+",
        read_json=read_run,
        source="https://platform.openai.com/docs/api-reference/evals",
    )
