from addon.providers import registry
from addon.providers.describe import sections


def test_the_page_has_every_provider_with_its_hosts_and_its_source() -> None:
    page = "\n".join(sections())
    for provider in registry.PROVIDERS:
        assert f"## {provider.name}\n" in page
        assert provider.source in page
        assert all(f"`{host}`" in page for host in provider.hosts)
