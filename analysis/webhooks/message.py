"""What is told of a call, to whom, and when again. Pure. Source: Helicone's webhookSender, and its docs.

The body is JSON `{request_id, request_body, response_body}`, with `model`, `provider` and `metadata` where wanted; the
header `Helicone-Signature` is the hex HMAC-SHA256 of exactly these bytes. A body over 10 KiB is left out, in words.
"""

import hashlib
import hmac
from collections.abc import Mapping
from typing import Any, Final

import orjson

from addon.config.webhooks import Webhook

SIGNATURE: Final = "Helicone-Signature"
LONGEST_BODY_BYTES: Final = 10 * 1024
# After each failure: 23 minutes in all, then the dead-letter file.
WAITS_S: Final = (1.0, 4.0, 16.0, 64.0, 256.0, 1024.0)

Call = Mapping[str, Any]  # the columns of call.sql


def is_wanted(webhook: Webhook, call: Call) -> bool:
    """Whether this webhook is told of the call. The sample is drawn by the id, so that everybody draws the same."""
    given = call["properties"] or {}
    if any(given.get(name) != value for name, value in webhook.properties.items()):
        return False
    draw = int.from_bytes(hashlib.sha256(f"{webhook.url} {call['request_id']}".encode()).digest()[:8])
    return draw < webhook.sample_rate / 100 * 2**64


def message(webhook: Webhook, call: Call) -> bytes:
    told: dict[str, Any] = {
        "request_id": call["request_id"],
        "request_body": _told(call["request_body"]),
        "response_body": _told(call["response_body"]),
    }
    if webhook.include_data:
        tokens = call["input_tokens"], call["output_tokens"]
        told |= {
            "model": call["model"],
            "provider": call["provider_name"],
            "metadata": {
                "cost": call["cost_usd"],
                "promptTokens": tokens[0],
                "completionTokens": tokens[1],
                "totalTokens": None if None in tokens else sum(tokens),
                "latencyMs": call["duration_ms"],
            },
        }
    return orjson.dumps(told)


def signature(secret: str, body: bytes) -> str:
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def wait_s(failures: int) -> float | None:
    """Seconds until the next attempt, after so many failures; None: it is given up."""
    return WAITS_S[failures - 1] if failures <= len(WAITS_S) else None


def _told(body: str | None) -> str | None:
    if body is not None and len(body.encode()) > LONGEST_BODY_BYTES:
        return f"longer than {LONGEST_BODY_BYTES} bytes; GET /v1/request/ID?includeBody=true has it"
    return body
