"""Predibase: routed, not read. https://docs.predibase.com"""

from addon.providers.model import Provider

PROVIDER = Provider(
    name="predibase",
    origin="https://api.app.predibase.com",
    hosts=("api.app.predibase.com",),
    labels=("predibase",),
)
