"""Firecrawl: routed, not read. https://docs.firecrawl.dev"""

from addon.providers.model import Provider

PROVIDER = Provider(
    name="firecrawl",
    origin="https://api.firecrawl.dev",
    hosts=("api.firecrawl.dev",),
    labels=("firecrawl",),
)
