"""Calls for the tests of recordings."""

import json
from typing import Any

from addon.recordings.model import Piece, Question, RecordedCall

HELLO = {"messages": [{"content": "Hello", "role": "user"}], "model": "gpt-4o-mini"}  # names in a recording's order


def asked(body: Any = HELLO, **changes: Any) -> Question:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    usual: dict[str, Any] = {"provider": "openai", "method": "POST", "target": "/v1/chat/completions", "body": raw}
    return Question(**usual | changes)


def recorded(body: Any = HELLO, answer: bytes = b'{"n": 1}', **changes: Any) -> RecordedCall:
    usual: dict[str, Any] = {
        "id": "01a200ad-f5e9-76cd-9f3d-ea0ad5d44f1a",
        "started_at": "2025-11-22T00:35:30.408Z",
        "question": asked(body),
        "status": 200,
        "headers": {"content-type": "application/json"},
        "head_at_ms": 5,
        "pieces": (Piece(6, answer),),
        "ended_at_ms": 7,
    }
    return RecordedCall(**usual | changes)
