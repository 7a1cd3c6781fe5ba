"""NVIDIA NIM, hosted. https://docs.api.nvidia.com/nim/reference"""

from addon.providers.model import Provider
from addon.providers.openai_shaped import operations

PROVIDER = Provider(
    name="nvidia",
    origin="https://integrate.api.nvidia.com",
    hosts=("integrate.api.nvidia.com",),
    labels=("nvidia",),
    operations=operations("/v1", "chat", "text_completion", "embeddings"),
)
