"""The table of companies, and the base URLs that they document."""

from urllib.parse import urlsplit

import pytest

from addon.providers import registry

# What programs have as base URL, and the operation's path below it.
BASES = [
    ("https://api.siliconflow.cn/v1", "siliconflow"),
    ("https://api.upstage.ai/v1/solar", "upstage"),
    ("https://api.upstage.ai/v1", "upstage"),
    ("https://ark.cn-beijing.volces.com/api/v3", "volcengine"),
    ("https://ark.ap-southeast.bytepluses.com/api/v3/bots", "volcengine"),
    ("https://ark.cn-beijing.volces.com/api/coding/v3", "volcengine"),
    ("https://api.inference.wandb.ai/v1", "wandb"),
    ("https://api.scaleway.ai/v1", "scaleway"),
    ("https://api.scaleway.ai/4c1c7b3e-0a1b-4c2d-8e3f-5a6b7c8d9e0f/v1", "scaleway"),
    ("https://llm.chutes.ai/v1", "chutes"),
    ("https://api.venice.ai/api/v1", "venice"),
    ("https://api.friendli.ai/dedicated/v1", "friendli"),
    ("https://opencode.ai/zen/v1", "opencode"),
    ("https://opencode.ai/zen/go/v1", "opencode"),
    ("https://api.featherless.ai/v1", "featherless"),
    ("https://inference.api.nscale.com/v1", "nscale"),
    ("https://api.gmi-serving.com/v1", "gmi"),
    ("https://api.parasail.io/v1", "parasail"),
    ("https://api.reka.ai/v1", "reka"),
    ("https://api.stepfun.ai/step_plan/v1", "stepfun"),
    ("https://qianfan.baidubce.com/v2", "qianfan"),
    ("https://api.hunyuan.cloud.tencent.com/v1", "tencent"),
    ("https://api.lkeap.cloud.tencent.com/coding/v3", "tencent"),
    ("https://zenmux.ai/api/v1", "zenmux"),
    ("https://api.jiekou.ai/openai", "jiekou"),
]


@pytest.mark.parametrize(("base", "name"), BASES)
def test_a_chat_below_a_documented_base_url_is_read(base: str, name: str) -> None:
    parts = urlsplit(base)
    provider = registry.by_host(parts.netloc)
    assert provider and provider.name == name
    found = registry.operation(provider, "POST", f"{parts.path}/chat/completions", parts.netloc)
    assert found and found[0].name == "chat"


def test_the_website_of_a_gateway_is_not_its_api() -> None:
    for host in ("aihubmix.com", "nano-gpt.com", "opencode.ai", "zenmux.ai"):
        provider = registry.by_host(host)
        assert provider and registry.operation(provider, "POST", "/chat/completions", host) is None
