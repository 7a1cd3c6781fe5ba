"""Targets that are not a provider we know, read by the shape of their paths: OpenAI's, Anthropic's or Gemini's API below
any base path, and ranking. They have the prices of the called host's provider, or of the maker of the model (makers.py).
"""

from typing import Final

from addon.providers import anthropic, gemini, local_pooling, openai_shaped
from addon.providers.model import Operation, Provider
from addon.remember import remember_short

ANY_BASE: Final = "(?:/[^/]+){0,6}?"


OPERATIONS: Final[tuple[Operation, ...]] = (
    *openai_shaped.operations(ANY_BASE),
    *(operation.below(ANY_BASE) for operation in anthropic.PROVIDER.operations),
    *(operation.below(ANY_BASE) for operation in gemini.NATIVE),
    local_pooling.pooled("rerank", f"{ANY_BASE}/(?:reranks?|reranking)"),
)


@remember_short(1024)
def unknown(name: str) -> Provider:
    """The provider for a name of the user's own, or for a target that is named after its host."""
    return Provider(name=name, origin=f"https://{name}", hosts=(), operations=OPERATIONS)
