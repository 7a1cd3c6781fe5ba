"""Perplexity. https://docs.perplexity.ai/api-reference"""

from addon.providers.model import Provider
from addon.providers.openai_shaped import operations

PROVIDER = Provider(
    name="perplexity",
    origin="https://api.perplexity.ai",
    hosts=("api.perplexity.ai",),
    labels=("perplexity",),
    operations=operations("", "chat"),
    prices="perplexity",
)
