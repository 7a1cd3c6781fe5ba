"""Rows and events without secrets, before any of them is written.

They are made from the original: tokens and money are what the provider counted. What the settler charges and keeps afterwards
(budgets, sessions of chains) it takes from the redacted row.
"""

import os
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from addon.config.mistakes import Problem, problems_of
from addon.redaction.key import has_key
from addon.redaction.records import without_secrets
from addon.settling.chains import Link
from addon.storage.record import BodyRow, EventRow, RequestRow

if TYPE_CHECKING:
    from addon.redaction.redactor import Redactor

Rows = tuple[RequestRow, BodyRow]

# Made by us, or words of a fixed set. Every other text is searched, so that a new column is as well.
_OURS: Final = frozenset(
    {
        *("request_id", "cache_reference_id", "api_key_hash", "helicone_key_hash", "provider_name", "operation_name"),
        *("method", "mode", "usage_source", "cost_missing", "cache_status", "rate_limit_status"),
        *("usage_units", "response_piece_times"),
    }
)
_JSON: Final = frozenset({"request_body", "response_body", "usage_raw", "failed_attempts"})


def redacted[R: RequestRow | BodyRow | EventRow](redactor: "Redactor", row: R) -> R:
    """The row without secrets; a body that must not be kept is None."""
    return without_secrets(redactor, row, _OURS, _JSON)


def redacted_rows(redactor: "Redactor", rows: Rows) -> Rows:
    return redacted(redactor, rows[0]), redacted(redactor, rows[1])


def without_bodies(redactor: "Redactor", rows: Rows) -> Rows:
    """Of a call that could not be read: nobody knows what is in its bodies."""
    request, body = rows
    body = replace(body, request_body=None, response_body=None, response_text=None)
    return redacted_rows(redactor, (request, body))


def unreadable_rules(problems: Iterable[Problem], data: Path) -> str:
    """Why nobody knows what is to be redacted, in words; "" where it is known. A file that cannot be read at all may have had
    the section, where something was redacted before."""
    problems = tuple(problems)
    whole_file = problems_of(problems, ()) if has_key(data, os.environ) else ""
    own = "\n".join(problem.text for problem in problems if problem.section == "redact")
    return "\n".join(filter(None, (whole_file, own)))


def redacted_link(redactor: "Redactor", link: Link) -> Link:
    """What is kept of a chain of responses: names of sessions may be anything."""
    session, fallback = redactor.texts((link.session_id or "", link.fallback or ""))
    return link._replace(session_id=session or None, fallback=fallback or None)
