"""Anthropic's messages as other companies serve them: the same shape below another path."""

from dataclasses import replace
from typing import Final

from addon.providers import anthropic
from addon.providers.completed import Complete, completed
from addon.providers.model import Operation

_MESSAGES: Final = next(operation for operation in anthropic.PROVIDER.operations if operation.name == "chat")


def messages(path: str, complete: Complete | None = None) -> Operation:
    """`path`: a regular expression, all of it. `complete`: adds what only this provider says."""
    operation = replace(_MESSAGES, path=f"{path}/?")
    return completed(operation, complete) if complete else operation
