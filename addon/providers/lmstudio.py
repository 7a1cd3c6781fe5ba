"""LM Studio on this machine. https://lmstudio.ai/docs/developer/openai-compat"""

from addon.providers.model import Provider
from addon.providers.openai_shaped import operations

PROVIDER = Provider(
    name="lmstudio",
    origin="http://127.0.0.1:1234",
    hosts=(),
    operations=operations("/v1", "chat", "text_completion", "embeddings", "responses"),
)
