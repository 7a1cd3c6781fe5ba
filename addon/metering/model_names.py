"""Whether two names mean the same model: a dated form, a provider's prefix and upper case do not make another one."""

import re
from typing import Final

DATE: Final = re.compile(r"[-@](?:\d{4}-\d{2}-\d{2}|\d{8}|\d{4}|latest|default)$")
PREFIX: Final = re.compile(r"^(?:.*/)")
REGION: Final = re.compile(r"^(?:us|us-gov|eu|apac|global|jp|au|ca)\.(?=[a-z0-9-]+\.)")
VERSION: Final = re.compile(r"(?:-v\d+)?:\d+$")  # Bedrock's: anthropic.claude-sonnet-4-5-20250929-v1:0


def same_model(one: str, other: str) -> bool:
    """`gpt-4o-2024-08-06` is a form of `gpt-4o`, `openai/gpt-4o` too; `gpt-4o-mini` is another model."""
    return _plain(one) == _plain(other)


def _plain(name: str) -> str:
    name = VERSION.sub("", REGION.sub("", PREFIX.sub("", name.strip().lower())))
    return DATE.sub("", name)
