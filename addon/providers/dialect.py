"""Errors that this proxy makes, in the words of the called provider's API, so that its SDK shows the message."""

from addon.providers.model import Json, Provider


def openai_error(_status: int, error_type: str, message: str) -> Json:
    """What the OpenAI SDK and all that copy its API read."""
    return {"error": {"message": message, "type": error_type, "param": None, "code": error_type}}


def anthropic_error(_status: int, error_type: str, message: str) -> Json:
    return {"type": "error", "error": {"type": error_type, "message": message}}


def error_body(provider: Provider | None, status: int, error_type: str, message: str) -> Json:
    """The body of an error answer to a caller of `provider`; OpenAI's shape where a provider has none of its own."""
    make = openai_error if provider is None or provider.error_body is None else provider.error_body
    return make(status, error_type, message)
