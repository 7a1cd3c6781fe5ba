"""SDKs and frameworks: each program of `programs` calls as their documentation does, JSON and stream."""

from dataclasses import replace
from typing import Final

from scripts.agent_cases.model import Call, Client

KEYS: Final = {
    **{"OPENAI_API_KEY": "sk-test", "ANTHROPIC_API_KEY": "sk-ant-test", "GEMINI_API_KEY": "test"},
    **{"MISTRAL_API_KEY": "test", "GROQ_API_KEY": "gsk_test", "CO_API_KEY": "test", "COHERE_API_KEY": "test"},
    **{"AWS_ACCESS_KEY_ID": "AKIATEST", "AWS_SECRET_ACCESS_KEY": "secret", "OPENAI_AGENTS_DISABLE_TRACING": "1"},
    **{"OLLAMA_HOST": "https://ollama.com", "OLLAMA_API_KEY": "test"},
    **{"LANGSMITH_TRACING": "false", "LITELLM_LOCAL_MODEL_COST_MAP": "True"},
}


def _both(provider: str, model: str, operation: str = "chat") -> tuple[Call, Call]:
    """A call in JSON, and one as a stream."""
    return _json(provider, model, operation), Call(provider=provider, operation=operation, model=model)


def _json(provider: str, model: str, operation: str = "chat") -> Call:
    return Call(provider=provider, operation=operation, model=model, is_stream=False)


GPT: Final = _both("openai", "gpt-4o-mini")
RESPONSES: Final = _both("openai", "gpt-5", "responses")
CLAUDE: Final = _both("anthropic", "claude-haiku-4-5")
GEMINI: Final = _both("gemini", "gemini-2.5-flash")


def _python(name: str, program: str, packages: tuple[str, ...], user_agent: str, *calls: Call) -> Client:
    return Client(
        name=name,
        packages=packages,
        registry="pypi",
        command=("python", program),
        calls=calls,
        user_agent=user_agent,
        process=rf"python[\d.]* {program}",
        variables=KEYS,
    )


def _node(name: str, program: str, packages: tuple[str, ...], user_agent: str, *calls: Call) -> Client:
    return Client(
        name=name,
        packages=packages,
        registry="npm",
        command=("node", program),
        calls=calls,
        user_agent=user_agent,
        process=f"node {program}",
        variables=KEYS,
    )


CLIENTS: Final = (
    _python(
        *("openai-python", "openai_python.py", ("openai",), r"(Async)?OpenAI/Python .*"),
        *(*GPT, *RESPONSES, _json("openai", "gpt-5", "responses")),
    ),
    _python("anthropic-python", "anthropic_python.py", ("anthropic",), r"Anthropic/Python .*", *CLAUDE),
    _python(
        *("google-genai-python", "google_genai.py", ("google-genai", "aiohttp"), r"google-genai-sdk/.*"),
        *(*GEMINI, *GEMINI),
    ),
    _python(
        *("mistral-python", "mistral.py", ("mistralai",), r"mistral-client-python/.*"),
        *_both("mistral", "mistral-small-2506"),
    ),
    _python(*("groq-python", "groq_python.py", ("groq",), r"Groq/Python .*"), *_both("groq", "llama-3.1-8b-instant")),
    _python(*("cohere-python", "cohere_python.py", ("cohere",), r"cohere/.*"), *_both("cohere", "command-r-08-2024")),
    _python(*("boto3", "bedrock_boto3.py", ("boto3",), r"Boto3/.*"), *_both("bedrock", "us.amazon.nova-lite-v1:0")),
    _python(
        *("langchain", "langchain_python.py", ("langchain-openai", "langchain-anthropic"), r".+"),
        *(*GPT, *CLAUDE),
    ),
    _python(
        "llama-index",
        "llama_index_python.py",
        # llama-index-llms-anthropic 0.12 asks for any anthropic, and fails with 1.0 and later.
        ("llama-index-llms-openai", "llama-index-llms-anthropic", "anthropic<1"),
        r"OpenAI/Python .*|llama-index/.*",
        *(GPT[0], RESPONSES[0], *CLAUDE),
    ),
    _python(
        *("litellm", "litellm_python.py", ("litellm",), r".+"),
        *(*GPT, *CLAUDE, *GEMINI, *_both("groq", "llama-3.1-8b-instant")),
    ),
    _python(
        *("pydantic-ai", "pydantic_ai_python.py", ("pydantic-ai",), r".*pydantic-ai/.*"),
        *(GPT[0], RESPONSES[0], CLAUDE[1], GEMINI[0]),
    ),
    _python("openai-agents", "openai_agents_python.py", ("openai-agents",), r"Agents/Python .*", *RESPONSES),
    _python("crewai", "crewai_python.py", ("crewai",), r".+", *GPT),
    _python("google-adk", "google_adk_python.py", ("google-adk",), r"google-genai-sdk/.*", *GEMINI),
    _python("strands", "strands_python.py", ("strands-agents", "openai", "anthropic"), r".+", GPT[1], CLAUDE[1]),
    _python("smolagents", "smolagents_python.py", ("smolagents", "openai", "litellm"), r".+", *GPT, *CLAUDE),
    _python("dspy", "dspy_python.py", ("dspy",), r".+", GPT[0], CLAUDE[0]),
    _python(
        *("autogen", "autogen_python.py", ("autogen-ext", "autogen-ext[openai,anthropic]", "anthropic<1"), r".+"),
        *(*GPT, *CLAUDE),
    ),
    _python(
        *("semantic-kernel", "semantic_kernel_python.py", ("semantic-kernel", "semantic-kernel[anthropic]"), r".+"),
        *(*GPT, *CLAUDE),
    ),
    _python("haystack", "haystack_python.py", ("haystack-ai",), r".+", *GPT, *RESPONSES),
    _python("agno", "agno_python.py", ("agno", "openai", "anthropic"), r".+", *GPT, *RESPONSES, *CLAUDE),
    _python(
        *("langgraph", "langgraph_python.py", ("langgraph", "langchain-openai", "langchain-anthropic"), r".+"),
        *(*GPT, *CLAUDE),
    ),
    _python(
        *("deepagents", "deepagents_python.py", ("deepagents", "langchain-openai"), r".+"),
        *(RESPONSES[0], CLAUDE[0]),
    ),
    _python(
        *("instructor", "instructor_python.py", ("instructor", "instructor[anthropic]"), r".+"), *(GPT[0], CLAUDE[0])
    ),
    _python(*("mini-swe-agent", "mini_swe_agent_python.py", ("mini-swe-agent", "mcp"), r".+"), CLAUDE[0]),
    _python(
        *("mirascope", "mirascope_python.py", ("mirascope", "mirascope[openai,anthropic]"), r".+"), *(*GPT, *CLAUDE)
    ),
    # Its cloud; on this machine it is not sent through a proxy (NO_PROXY), and costs nothing.
    _python(
        *("ollama-python", "ollama_python.py", ("ollama",), r"ollama-python/.*"),
        *(replace(call, paid="none") for call in _both("ollama", "gpt-oss:20b")),
    ),
    _node("openai-node", "openai_node.mjs", ("openai",), r"OpenAI/JS .*", *GPT, *RESPONSES),
    _node("openai-agents-node", "openai_agents_node.mjs", ("@openai/agents",), r"Agents/JavaScript .*", *RESPONSES),
    _node("anthropic-node", "anthropic_node.mjs", ("@anthropic-ai/sdk",), r"Anthropic/JS .*", *CLAUDE),
    _node("google-genai-node", "google_genai_node.mjs", ("@google/genai",), r"google-genai-sdk/.*", *GEMINI),
    _node(
        *("mistral-node", "mistral_node.mjs", ("@mistralai/mistralai",), r"mistral-client-typescript/.*"),
        *_both("mistral", "mistral-small-2506"),
    ),
    _node("groq-node", "groq_node.mjs", ("groq-sdk",), r"Groq/JS .*", *_both("groq", "llama-3.1-8b-instant")),
    _node("cohere-node", "cohere_node.mjs", ("cohere-ai",), r"cohere-ai/.*", *_both("cohere", "command-r-08-2024")),
    # The one program with a line for the proxy: this SDK's own HTTP/2 connection goes past any.
    _node(
        *("bedrock-node", "bedrock_node.mjs", ("@aws-sdk/client-bedrock-runtime",), r"aws-sdk-js/.*"),
        *_both("bedrock", "us.amazon.nova-lite-v1:0"),
    ),
    _node(
        *("vercel-ai", "vercel_ai.mjs", ("ai", "@ai-sdk/openai", "@ai-sdk/anthropic"), r"ai(-sdk-\w+)?/.*"),
        *(*RESPONSES, *GPT, *CLAUDE),
    ),
    _node(
        *("mastra", "mastra.mjs", ("@mastra/core", "@ai-sdk/openai", "@ai-sdk/anthropic"), r".+"),
        *(*RESPONSES, *CLAUDE),
    ),
    _node(
        *(
            "langchain-node",
            "langchain_node.mjs",
            ("@langchain/openai", "@langchain/anthropic", "@langchain/core"),
            r".+",
        ),
        *(*GPT, *CLAUDE),
    ),
    _node(
        *("langgraph-node", "langgraph_node.mjs"),
        ("@langchain/langgraph", "@langchain/openai", "@langchain/anthropic", "@langchain/core"),
        r".+",
        *(*GPT, *CLAUDE),
    ),
    _node(
        *("genkit", "genkit_node.mjs", ("genkit", "@genkit-ai/google-genai"), r".+"),
        *GEMINI,
    ),
)
