"""Hyperbolic. https://docs.hyperbolic.xyz"""

from addon.providers.model import Provider
from addon.providers.openai_shaped import operations

PROVIDER = Provider(
    name="hyperbolic",
    origin="https://api.hyperbolic.xyz",
    hosts=("api.hyperbolic.xyz",),
    labels=("hyperbolic",),
    operations=operations("/v1", "chat", "text_completion"),
)
