"""Companies that serve OpenAI's API as it is, most of them Anthropic's as well: one line each.

Where a line's documentation is not opened here, host and base path are those of LiteLLM 1.109.1's table
(litellm/llms/openai_like/providers.json, constants.py) or of https://models.dev (providers/NAME/provider.toml).
"""

import re
from collections.abc import Callable
from decimal import Decimal
from typing import Final

from addon.providers import anthropic_shaped, gateways, media, openai_shaped
from addon.providers.completed import with_stated_cost
from addon.providers.model import Json, Provider

_SHAPED: Final = ("chat", "text_completion", "embeddings", "responses")
_SOLD: Final = ("images", "speech", "transcription", "translation", "rerank")


def company(
    name: str,
    source: str,
    api: str,
    *more: str,
    base: str | None = None,
    plans: tuple[str, ...] = (),
    below: str = "",
    cost: Callable[[Json], Decimal | None] | None = None,
    cost_header: str = "",
) -> Provider:
    """`api`: what programs have as their base URL. `more`: hosts with the same paths. `base`: the path as a regular
    expression, where it is not that of `api` alone. `plans`: hosts that are paid by a subscription, or beginnings of such
    paths. `below`: the part of the first host that is its API, where the host serves other things. `cost`: where an answer
    states what it cost, in US dollars; `cost_header`: the header that does, of answers that are not JSON for example."""
    host, _, path = api.removeprefix("https://").partition("/")
    base = base or re.escape(f"/{path}")
    complete = gateways.by_stated_cost(cost) if cost else None
    operations = (
        *openai_shaped.operations(base, *_SHAPED, complete=complete),
        *media.operations(base, *_SOLD, complete=complete),
        anthropic_shaped.messages(f"(?:/anthropic(?:/v1)?|{base})/messages", complete),
    )
    return Provider(
        name=name,
        origin=f"https://{host}",
        hosts=(host + below, *more),
        operations=tuple(with_stated_cost(operation, cost_header) for operation in operations)
        if cost_header
        else operations,
        plan_hosts=frozenset(plan for plan in plans if not plan.startswith("/")),
        plan_paths=tuple(plan for plan in plans if plan.startswith("/")),
        source=source,
    )


# fmt: off
PROVIDERS: Final = (
    company("abacus", "https://abacus.ai/help/api", "https://routellm.abacus.ai/v1"),
    company("aihubmix", "https://docs.aihubmix.com", "https://aihubmix.com/v1", below="/v1/"),
    # Its older examples leave the version out.
    company("aimlapi", "https://docs.aimlapi.com", "https://api.aimlapi.com/v1", base="(?:/v1)?",
            cost=gateways.aimlapis_cost, cost_header="x-aimlapi-usd-spent"),
    company("amazon_nova", "https://nova.amazon.com/dev/documentation", "https://api.nova.amazon.com/v1"),
    # langchain_community/chat_models/baichuan.py
    company("baichuan", "https://platform.baichuan-ai.com/docs/api", "https://api.baichuan-ai.com/v1"),
    company("berget", "https://api.berget.ai", "https://api.berget.ai/v1"),
    company("chutes", "https://llm.chutes.ai/v1/models", "https://llm.chutes.ai/v1"),
    company("clarifai", "https://docs.clarifai.com/compute/inference/", "https://api.clarifai.com/v2/ext/openai/v1"),
    company("cognition", "https://docs.devin.ai", "https://api.cognition.ai/v1"),
    company("cortecs", "https://docs.cortecs.ai", "https://api.cortecs.ai/v1"),
    company("crusoe", "https://docs.crusoecloud.com", "https://api.inference.crusoecloud.com/v1"),
    company("digitalocean", "https://docs.digitalocean.com/products/gradient-ai-platform", "https://inference.do-ai.run/v1"),
    company("edenai", "https://docs.edenai.co", "https://api.edenai.run/v3", "api.eu.edenai.run", base="/v3(?:/llm)?",
            cost=gateways.edenais_cost, cost_header="x-edenai-cost"),
    company("evroc", "https://docs.evroc.com/products/think/overview.html", "https://models.think.evroc.com/v1"),
    company("featherless", "https://featherless.ai/docs/api-reference", "https://api.featherless.ai/v1"),
    # friendli/core/serverless_*.py of its SDK; models of one's own are at /dedicated/v1.
    company("friendli", "https://friendli.ai/docs/openapi", "https://api.friendli.ai/serverless/v1",
            base="/(?:serverless|dedicated)/v1"),
    # /v1/verified: rig-core/src/providers/galadriel.rs of rig; the host that ends in .ai: constants.py of LiteLLM
    company("galadriel", "https://docs.galadriel.com", "https://api.galadriel.com/v1", "api.galadriel.ai",
            base="/v1(?:/verified)?"),
    company("gigachat", "https://developers.sber.ru/docs/ru/gigachat/api", "https://gigachat.devices.sberbank.ru/api/v1"),
    company("gmi", "https://docs.gmicloud.ai/inference-engine/api-reference/llm-api-reference", "https://api.gmi-serving.com/v1"),
    company("hpc_ai", "https://www.hpc-ai.com/doc/docs/quickstart/", "https://api.hpc-ai.com/inference/v1"),
    company("iflow", "https://platform.iflow.cn/en/docs", "https://apis.iflow.cn/v1"),
    company("inceptron", "https://docs.inceptron.io", "https://api.inceptron.io/v1"),
    company("inference_net", "https://docs.inference.net", "https://api.inference.net/v1"),
    company("io_net", "https://io.net/docs/guides/intelligence/io-intelligence", "https://api.intelligence.io.solutions/api/v1"),
    company("jiekou", "https://docs.jiekou.ai/docs/support/quickstart", "https://api.jiekou.ai/openai", base="/openai(?:/v1)?"),
    company("kluster", "https://github.com/kluster-ai/docs/blob/main/get-started/openai-compatibility.md", "https://api.kluster.ai/v1"),
    company("libertai", "https://docs.libertai.io/apis/text/", "https://api.libertai.io/v1"),
    company("lilac", "https://docs.getlilac.com/inference/models", "https://api.getlilac.com/v1"),
    company("mixlayer", "https://docs.mixlayer.com", "https://models.mixlayer.ai/v1"),
    company("modelscope", "https://modelscope.cn/docs/model-service/API-Inference/intro", "https://api-inference.modelscope.cn/v1"),
    company("morph", "https://docs.morphllm.com/api-reference/introduction", "https://api.morphllm.com/v1"),
    company("nearai", "https://docs.near.ai", "https://cloud-api.near.ai/v1"),
    company("neuralwatt", "https://portal.neuralwatt.com/docs", "https://api.neuralwatt.com/v1"),
    company("nscale", "https://docs.nscale.com/docs/inference", "https://inference.api.nscale.com/v1"),
    company("parasail", "https://docs.parasail.io", "https://api.parasail.io/v1"),
    company("poe", "https://creator.poe.com/docs/external-applications/openai-compatible-api", "https://api.poe.com/v1"),
    company("poolside", "https://platform.poolside.ai", "https://inference.poolside.ai/v1"),
    company("publicai", "https://platform.publicai.co/docs", "https://api.publicai.co/v1"),
    # Baidu.
    company("qianfan", "https://cloud.baidu.com/doc/qianfan-api", "https://qianfan.baidubce.com/v2", base="/v2(?:/coding)?",
            plans=("/v2/coding/",)),
    company("qiniu", "https://developer.qiniu.com/aitokenapi", "https://api.qnaigc.com/v1"),
    company("regolo", "https://docs.regolo.ai/", "https://api.regolo.ai/v1"),
    company("requesty", "https://docs.requesty.ai", "https://router.requesty.ai/v1", "router.eu.requesty.ai",
            cost=gateways.requestys_cost),
    company("sakana", "https://console.sakana.ai/models", "https://api.sakana.ai/v1"),
    company("sarvam", "https://docs.sarvam.ai/api-reference-docs/getting-started/models", "https://api.sarvam.ai/v1"),
    # A project may be named before the version. Bills in euros.
    company("scaleway", "https://www.scaleway.com/en/docs/generative-apis/", "https://api.scaleway.ai/v1",
            base="(?:/[0-9a-f-]{36})?/v1"),
    company("siliconflow", "https://docs.siliconflow.com/en/api-reference", "https://api.siliconflow.com/v1",
            "api-st.siliconflow.cn", "api.siliconflow.cn"),
    company("stackit", "https://docs.stackit.cloud/products/data-and-ai/ai-model-serving",
            "https://api.openai-compat.model-serving.eu01.onstackit.cloud/v1"),
    # Chats, messages and responses: https://platform.stepfun.com/docs/zh/api-reference/chat/messages-create
    company("stepfun", "https://platform.stepfun.com/docs", "https://api.stepfun.com/v1", "api.stepfun.ai",
            base="(?:/step_plan)?/v1", plans=("/step_plan/",)),
    company("streamlake", "https://www.streamlake.ai/document", "https://vanchin.streamlake.ai/api/gateway/v1/endpoints"),
    company("submodel", "https://submodel.gitbook.io", "https://llm.submodel.ai/v1"),
    company("synthetic", "https://dev.synthetic.new/docs", "https://api.synthetic.new/openai/v1"),
    company("targon", "https://docs.targon.com", "https://api.targon.com/v1"),
    # Hunyuan's own host (product/1729/127293: its Anthropic half), the plans at lkeap and TokenHub, at home and abroad, each with
    # a second address: https://www.tencentcloud.com/document/product/1300/78941
    company("tencent", "https://cloud.tencent.com/document/product/1729", "https://api.hunyuan.cloud.tencent.com/v1",
            "api.lkeap.cloud.tencent.com", "tokenhub.tencentmaas.com",
            "tokenhub-intl.tencentcloudmaas.com", "tokenhub-intl.tencentcloudmaas.tech",
            "tokenhub.tencentcloudmaas.com", "tokenhub.tencentcloudmaas.tech",
            base="(?:/plan)?(?:/coding)?/v[13]", plans=("/coding/", "/plan/")),
    company("tensormesh", "https://docs.tensormesh.ai", "https://serverless.tensormesh.ai/v1"),
    company("tinfoil", "https://docs.tinfoil.sh", "https://inference.tinfoil.sh/v1"),
    # langchain_upstage/chat_models.py: the base was /v1/solar once.
    company("upstage", "https://console.upstage.ai/docs", "https://api.upstage.ai/v1", base="/v1(?:/solar)?"),
    company("v0", "https://v0.app/docs/api/model", "https://api.v0.dev/v1"),
    company("venice", "https://docs.venice.ai/api-reference", "https://api.venice.ai/api/v1"),
    company("vultr", "https://api.vultrinference.com/", "https://api.vultrinference.com/v1"),
    company("wandb", "https://docs.wandb.ai/guides/integrations/inference/", "https://api.inference.wandb.ai/v1"),
    company("xiaomi", "https://platform.xiaomimimo.com", "https://api.xiaomimimo.com/v1",
            "token-plan-ams.xiaomimimo.com", "token-plan-cn.xiaomimimo.com", "token-plan-sgp.xiaomimimo.com",
            plans=("token-plan-ams.xiaomimimo.com", "token-plan-cn.xiaomimimo.com", "token-plan-sgp.xiaomimimo.com")),
    # 01.AI, abroad under its own name: langchain_community/chat_models/yi.py
    company("yi", "https://platform.lingyiwanwu.com/docs", "https://api.lingyiwanwu.com/v1", "api.01.ai"),
    company("zenmux", "https://docs.zenmux.ai", "https://zenmux.ai/api/v1", below="/api/"),
)
# fmt: on
