"""What Cohere does later: embeddings of a whole data set, and batches. cohere 7.3.1, types/embed_job.py, batches/types/batch.py

Starting a job is no row. A look at it is: one that finds its end states what was billed.
"""

from dataclasses import replace
from typing import Final

from addon.providers.cohere_usage import units, usage
from addon.providers.fields import at, count, error_type, string
from addon.providers.model import Json, Operation, Reading, Usage
from addon.providers.polled import found_done, under_way

_ENDS: Final = frozenset({"complete", "cancelled", "failed"})
_BATCH_ENDS: Final = frozenset({"BATCH_STATUS_COMPLETED", "BATCH_STATUS_FAILED", "BATCH_STATUS_CANCELED"})


def read_embed_job(body: Json) -> Reading:
    """`{job_id, status, model, meta: {billed_units}}`"""
    name, status, raw = string(at(body, "job_id")), string(at(body, "status")), at(body, "meta")
    reading = Reading(
        response_model=string(at(body, "model")),
        response_id=name,
        usage=usage(raw),
        usage_raw=raw,
        units=units(raw),
        error_type=error_type(body) or ("failed" if status == "failed" else None),
    )
    return _looked_at(reading, status, _ENDS, f"embed job {name}")


def read_batch(body: Json) -> Reading:
    """`{batch: {id, status, model, input_tokens: "120", output_tokens: "40"}}`"""
    batch = at(body, "batch")
    name, status = string(at(batch, "id")), string(at(batch, "status"))
    counts = {key: told for key in ("input_tokens", "output_tokens") if (told := at(batch, key)) is not None}
    reading = Reading(
        response_model=string(at(batch, "model")),
        response_id=name,
        usage=Usage(**{key: count(told) for key, told in counts.items()}) if counts else None,
        usage_raw=counts or None,
        price_factors={"processing": "batch"},
        error_type=error_type(body) or (status if status == "BATCH_STATUS_FAILED" else None),
    )
    return _looked_at(reading, status, _BATCH_ENDS, f"batch {name}")


def _looked_at(reading: Reading, status: str | None, ends: frozenset[str], work: str) -> Reading:
    if status is None:  # an error
        return reading
    if status not in ends:
        return under_way(reading, is_look=True)
    ended = replace(reading, finish_reasons=(status,))
    return found_done(ended, work) if reading.usage_raw else ended


OPERATIONS: Final = (
    Operation(name="embeddings", method="GET", path="/v1/embed-jobs/[^/]+", read_json=read_embed_job),
    Operation(name="batch_results", method="GET", path="/v2/batches/[^/:]+", read_json=read_batch),
)
