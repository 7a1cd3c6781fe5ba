"""Meta Llama API, its OpenAI-shaped half. https://llama.developer.meta.com/docs/features/compatibility"""

from addon.providers.model import Provider
from addon.providers.openai_shaped import operations

PROVIDER = Provider(
    name="llama",
    origin="https://api.llama.com",
    hosts=("api.llama.com",),
    labels=("llama",),
    operations=operations("/compat/v1", "chat"),
)
