"""Errors that this proxy makes, in the words of the called provider's API, so that its SDK shows the message."""

from typing import Final

from addon.providers.model import Json, Provider

# Our error types whose meaning an API has a word of its own for; all others go out as they are.
# https://platform.openai.com/docs/guides/error-codes, https://platform.claude.com/docs/en/api/errors
_OPENAI_TYPES: Final = {"rate_limited": "rate_limit_exceeded", "budget_exceeded": "insufficient_quota"}
_ANTHROPIC_TYPES: Final = {"rate_limited": "rate_limit_error", "budget_exceeded": "rate_limit_error"}
# https://docs.aws.amazon.com/bedrock/latest/APIReference/CommonErrors.html
_AWS_TYPES: Final = {"rate_limited": "ThrottlingException", "budget_exceeded": "ServiceQuotaExceededException"}


def openai_error(_status: int, error_type: str, message: str) -> Json:
    """What the OpenAI SDK and all that copy its API read."""
    known = _OPENAI_TYPES.get(error_type, error_type)
    return {"error": {"message": message, "type": known, "param": None, "code": known}}


def anthropic_error(_status: int, error_type: str, message: str) -> Json:
    return {"type": "error", "error": {"type": _ANTHROPIC_TYPES.get(error_type, error_type), "message": message}}


def aws_error(_status: int, error_type: str, message: str) -> Json:
    """What botocore and the other AWS SDKs read; the OpenAI SDK finds the message as well."""
    return {"__type": _AWS_TYPES.get(error_type, error_type), "message": message}


def error_body(provider: Provider | None, status: int, error_type: str, message: str) -> Json:
    """The body of an error answer to a caller of `provider`; OpenAI's shape where a provider has none of its own."""
    make = openai_error if provider is None or provider.error_body is None else provider.error_body
    return make(status, error_type, message)
