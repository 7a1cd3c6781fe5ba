"""Hugging Face inference providers; a path may name the provider. https://huggingface.co/docs/inference-providers"""

from addon.providers.model import Provider
from addon.providers.openai_shaped import operations

PROVIDER = Provider(
    name="huggingface",
    origin="https://router.huggingface.co",
    hosts=("router.huggingface.co",),
    operations=operations("(?:/[^/]+)?/v1", "chat", "responses"),
)
