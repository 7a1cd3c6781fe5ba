"""Coding agents and other programs for a terminal, with updates and telemetry switched off.

An agent with tools makes two calls: it is told to use a tool (`answers.TOOLS`), and sends back what the tool said.
"""

import base64
import json
from typing import Final

from scripts.agent_cases.answers import SUB_AGENT_PROMPT
from scripts.agent_cases.model import PROMPT, Call, Client
from scripts.agent_cases.provider import ACCOUNT, Received


def claude_session(call: Received) -> str | None:
    """Claude Code states it twice: in a header, and packed in JSON in `metadata.user_id`."""
    return call.headers.get("x-claude-code-session-id")


def codex_session(call: Received) -> str | None:
    return call.headers.get("session-id")


def opencode_session(call: Received) -> str | None:
    return call.headers.get("x-session-id")


def kimi_session(call: Received) -> str | None:
    """As the user of Anthropic's API."""
    return str(call.body["metadata"]["user_id"]).removeprefix("session_")


def _codex_login() -> str:
    """~/.codex/auth.json of a ChatGPT plan. Nobody checks the signature of its tokens on this side."""
    claims = {
        "email": "ann@example.com",
        "exp": 4_102_444_800,
        "https://api.openai.com/auth": {
            **{"chatgpt_plan_type": "pro", "chatgpt_account_id": ACCOUNT, "chatgpt_user_id": "user-1"},
        },
    }
    parts = ({"alg": "RS256", "typ": "JWT"}, claims)
    encoded = (base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in parts)
    token = ".".join([*encoded, "c2lnbmF0dXJl"])
    tokens = {"id_token": token, "access_token": token, "refresh_token": "rt", "account_id": ACCOUNT}
    return json.dumps({"OPENAI_API_KEY": None, "tokens": tokens, "last_refresh": "2099-01-01T00:00:00Z"})


CODEX_CONFIG: Final = """
check_for_update_on_startup = false
[analytics]
enabled = false
"""
CODEX: Final = ("codex", "exec", "--skip-git-repo-check", "-m", "gpt-5", PROMPT)
CLAUDE: Final = ("claude", "-p", PROMPT, "--model", "claude-haiku-4-5")
CLAUDE_AGENT: Final = r"claude-cli/[\d.]+ \(external, .*\)"
CLAUDE_KEY: Final = {"ANTHROPIC_API_KEY": "sk-ant-api03-test"}
CLAUDE_QUIET: Final = {
    "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
    "DISABLE_AUTOUPDATER": "1",
}
PREWARM: Final = Call(
    provider="openai", operation="prewarm", model="gpt-5", status=101, paid="none", has_usage=False
)  # before the first turn over WebSocket

CONTINUE_CONFIG: Final = """name: test
version: 0.0.1
schema: v1
models:
  - {name: mini, provider: openai, model: gpt-4o-mini, apiKey: sk-test, roles: [chat]}
"""

KIMI_CONFIG: Final = """
default_model = "haiku"
telemetry = false
[models.haiku]
provider = "claude"
model = "claude-haiku-4-5"
max_context_size = 200000
[providers.claude]
type = "anthropic"
base_url = "https://api.anthropic.com"
api_key = "sk-ant-test"
"""

VIBE_CONFIG: Final = """
active_model = "small"
enable_update_checks = false
enable_telemetry = false
[[providers]]
name = "mistral"
api_base = "https://api.mistral.ai/v1"
api_key_env_var = "MISTRAL_API_KEY"
backend = "mistral"
[[models]]
name = "mistral-small-2506"
provider = "mistral"
alias = "small"
"""

OPENAI_URL: Final = "https://api.openai.com/v1"
# With a key of one's own; without, its calls go to GitHub.
COPILOT: Final = {"COPILOT_PROVIDER_API_KEY": "sk-test", "COPILOT_OFFLINE": "true", "COPILOT_AUTO_UPDATE": "false"}

CLIENTS: Final = (
    Client(
        name="claude-code",
        packages=("@anthropic-ai/claude-code",),
        registry="npm",
        command=CLAUDE,
        calls=(Call(provider="anthropic", operation="chat", model="claude-haiku-4-5"),) * 2,
        user_agent=CLAUDE_AGENT,
        process=r"claude.*",
        session=claude_session,
        variables=CLAUDE_QUIET | CLAUDE_KEY,
    ),
    Client(
        name="claude-code-plan",
        packages=("@anthropic-ai/claude-code",),
        registry="npm",
        command=CLAUDE,
        calls=(Call(provider="anthropic", operation="chat", model="claude-haiku-4-5", paid="plan"),) * 2,
        user_agent=CLAUDE_AGENT,
        process=r"claude.*",
        session=claude_session,
        variables=CLAUDE_QUIET | {"CLAUDE_CODE_OAUTH_TOKEN": "sk-ant-oat01-test"},
    ),
    Client(
        name="claude-code-sub-agent",
        packages=("@anthropic-ai/claude-code",),
        registry="npm",
        command=("claude", "-p", SUB_AGENT_PROMPT, "--model", "claude-haiku-4-5"),
        # The sub-agent works in the background: a call that starts it, one that goes on meanwhile, two of its own, and one
        # that reads what it found.
        calls=(Call(provider="anthropic", operation="chat", model="claude-haiku-4-5"),) * 5,
        user_agent=CLAUDE_AGENT,
        process=r"claude.*",
        session=claude_session,
        sub_agent=lambda call: call.headers.get("x-claude-code-agent-id"),
        variables=CLAUDE_QUIET | CLAUDE_KEY,
    ),
    Client(
        name="claude-agent-sdk",
        packages=("claude-agent-sdk",),
        registry="pypi",
        command=("python", "claude_agent_python.py"),
        calls=(Call(provider="anthropic", operation="chat", model="claude-haiku-4-5"),) * 2,
        user_agent=r"claude-cli/[\d.]+ \(external, sdk-py, agent-sdk/.*\)",
        process=r"claude.*",
        session=claude_session,
        variables=CLAUDE_QUIET | CLAUDE_KEY,
    ),
    Client(
        name="codex",
        packages=("@openai/codex",),
        registry="npm",
        command=CODEX,
        calls=(
            PREWARM,
            *(Call(provider="openai", operation="responses", model="gpt-5", status=101),) * 2,
        ),
        user_agent=r"codex_exec/.*",
        process=r"codex.*",
        session=codex_session,
        variables={"CODEX_API_KEY": "sk-test"},
        files={".codex/config.toml": CODEX_CONFIG},
    ),
    Client(
        name="codex-https",
        packages=("@openai/codex",),
        registry="npm",
        command=CODEX,
        calls=(Call(provider="openai", operation="responses", model="gpt-5"),) * 2,
        user_agent=r"codex_exec/.*",
        process=r"codex.*",
        session=codex_session,
        variables={"CODEX_API_KEY": "sk-test"},
        files={".codex/config.toml": CODEX_CONFIG},
        refuses_sockets=True,
    ),
    Client(
        name="codex-plan",
        packages=("@openai/codex",),
        registry="npm",
        command=CODEX,
        calls=(
            PREWARM,
            *(Call(provider="openai", operation="responses", model="gpt-5", status=101, paid="plan"),) * 2,
        ),
        user_agent=r"codex_exec/.*",
        process=r"codex.*",
        session=codex_session,
        files={".codex/config.toml": CODEX_CONFIG, ".codex/auth.json": _codex_login()},
    ),
    Client(
        name="codex-plan-https",
        packages=("@openai/codex",),
        registry="npm",
        command=CODEX,
        calls=(Call(provider="openai", operation="responses", model="gpt-5", paid="plan"),) * 2,
        user_agent=r"codex_exec/.*",
        process=r"codex.*",
        session=codex_session,
        files={".codex/config.toml": CODEX_CONFIG, ".codex/auth.json": _codex_login()},
        refuses_sockets=True,
    ),
    Client(
        name="gemini-cli",
        packages=("@google/gemini-cli",),
        registry="npm",
        command=("gemini", "-m", "gemini-2.5-flash", "--skip-trust", "-p", PROMPT),
        calls=(Call(provider="gemini", operation="chat", model="gemini-2.5-flash"),) * 2,
        user_agent=r"GeminiCLI.*",
        process=r"node gemini.*",
        variables={"GEMINI_API_KEY": "test"},
        files={
            ".gemini/settings.json": json.dumps(
                {
                    "general": {"enableAutoUpdate": False, "disableAutoUpdate": True},
                    "privacy": {"usageStatisticsEnabled": False},
                    "telemetry": {"enabled": False},
                }
            )
        },
    ),
    Client(
        name="qwen-code",
        packages=("@qwen-code/qwen-code",),
        registry="npm",
        command=("qwen", "--auth-type", "openai", "-m", "gpt-4o-mini", "-p", PROMPT),
        calls=(Call(provider="openai", operation="chat", model="gpt-4o-mini"),) * 2,
        user_agent=r"QwenCode/.*",
        process=r"node cli\.js",
        variables={"OPENAI_API_KEY": "sk-test", "OPENAI_BASE_URL": "https://api.openai.com/v1"},
    ),
    Client(
        name="pi",
        packages=("@mariozechner/pi-coding-agent",),
        registry="npm",
        command=("pi", "--provider", "anthropic", "--model", "claude-haiku-4-5", "-p", PROMPT),
        calls=(Call(provider="anthropic", operation="chat", model="claude-haiku-4-5"),) * 2,
        user_agent=r"Anthropic/JS .*",
        process=r"pi",
        variables={"ANTHROPIC_API_KEY": "sk-ant-test"},
    ),
    Client(
        name="continue",
        packages=("@continuedev/cli",),
        registry="npm",
        command=("sh", "continue.sh"),
        calls=(Call(provider="openai", operation="chat", model="gpt-4o-mini"),),
        user_agent=r".+/JS .*",  # the name of a class of OpenAI's SDK, made short
        process=r"node cn",
        variables={"CONTINUE_TELEMETRY_ENABLED": "0"},
        files={"continue.yaml": CONTINUE_CONFIG},
    ),
    Client(
        name="opencode",
        packages=("opencode-ai",),
        registry="npm",
        command=("opencode", "run", "-m", "anthropic/claude-haiku-4-5", PROMPT),
        calls=(
            *(Call(provider="anthropic", operation="chat", model="claude-haiku-4-5"),) * 2,
            Call(provider="anthropic", operation="chat", model="claude-haiku-4-5-20251001"),  # the title
        ),
        user_agent=r"opencode/.*",
        process=r"opencode.*",
        session=opencode_session,
        variables={"ANTHROPIC_API_KEY": "sk-ant-test", "OPENCODE_DISABLE_AUTOUPDATE": "1"},
    ),
    Client(
        name="opencode-openai",
        packages=("opencode-ai",),
        registry="npm",
        command=("opencode", "run", "-m", "openai/gpt-5", PROMPT),
        calls=(
            Call(provider="openai", operation="responses", model="gpt-5.4-nano"),  # the title
            *(Call(provider="openai", operation="responses", model="gpt-5"),) * 2,
        ),
        user_agent=r"opencode/.*",
        process=r"opencode.*",
        session=opencode_session,
        variables={"OPENAI_API_KEY": "sk-test", "OPENCODE_DISABLE_AUTOUPDATE": "1"},
    ),
    *(
        Client(
            name=name,
            packages=("@github/copilot",),
            registry="npm",
            command=("copilot", "-p", PROMPT, "--allow-all-tools"),
            calls=calls,
            user_agent=r"(OpenAI|Anthropic)/JS .*",
            process=r"copilot",
            variables=COPILOT | {"COPILOT_MODEL": calls[0].model, "COPILOT_PROVIDER_BASE_URL": url} | more,
        )
        for name, url, more, calls in (
            # The fake chat completions call no tool.
            ("copilot", OPENAI_URL, {}, (Call(provider="openai", operation="chat", model="gpt-4o-mini"),)),
            (
                *("copilot-responses", OPENAI_URL, {"COPILOT_PROVIDER_WIRE_API": "responses"}),
                (Call(provider="openai", operation="responses", model="gpt-5"),) * 2,
            ),
            (
                *("copilot-anthropic", "https://api.anthropic.com", {"COPILOT_PROVIDER_TYPE": "anthropic"}),
                (Call(provider="anthropic", operation="chat", model="claude-haiku-4-5"),) * 2,
            ),
        )
    ),
    Client(
        name="cline",
        packages=("cline",),
        registry="npm",
        command=("cline", "-P", "anthropic", "-k", "sk-ant-test", "-m", "claude-haiku-4-5", PROMPT),
        calls=(Call(provider="anthropic", operation="chat", model="claude-haiku-4-5"),) * 2,
        user_agent=r"ai-sdk/anthropic/.*",
        process=r"cline",
    ),
    Client(
        name="aider",
        packages=("aider-chat",),
        registry="pypi",
        command=(
            *("aider", "--model", "gpt-4o-mini", "--message", PROMPT, "--yes-always", "--no-check-update"),
            *("--analytics-disable", "--no-show-release-notes", "--no-show-model-warnings", "--map-tokens", "0"),
        ),
        calls=(Call(provider="openai", operation="chat", model="gpt-4o-mini"),),
        user_agent=r"(AsyncOpenAI|OpenAI|litellm)/.*",
        process=r"(python[\d.]* )?aider",
        variables={"OPENAI_API_KEY": "sk-test"},
        python="3.12",
    ),
    Client(
        name="llm",
        packages=("llm", "llm-anthropic", "llm-gemini"),
        registry="pypi",
        command=("sh", "llm.sh"),
        calls=(
            Call(provider="openai", operation="chat", model="gpt-4o-mini"),
            Call(provider="anthropic", operation="chat", model="claude-haiku-4-5-20251001"),
            Call(provider="gemini", operation="chat", model="gemini-2.5-flash"),
        ),
        user_agent=r"(OpenAI/Python|Anthropic/Python|python-httpx).*",
        process=r"(python[\d.]* )?llm",
        variables={"OPENAI_API_KEY": "sk-test", "ANTHROPIC_API_KEY": "sk-ant-test", "LLM_GEMINI_KEY": "test"},
    ),
    Client(
        name="gptme",
        packages=("gptme",),
        registry="pypi",
        command=("gptme", "--non-interactive", "--no-confirm", "-m", "anthropic/claude-haiku-4-5", PROMPT),
        # It asks twice to go on where the model uses no tool, and in JSON for a name of the conversation.
        calls=(
            *(Call(provider="anthropic", operation="chat", model="claude-haiku-4-5"),) * 3,
            Call(provider="anthropic", operation="chat", model="claude-haiku-4-5", is_stream=False),
        ),
        user_agent=r"Anthropic/Python .*",
        process=r"(python[\d.]* )?gptme",
        variables={"ANTHROPIC_API_KEY": "sk-ant-test"},
    ),
    Client(
        name="mistral-vibe",
        packages=("mistral-vibe",),
        registry="pypi",
        command=("vibe", "-p", PROMPT),
        calls=(Call(provider="mistral", operation="chat", model="mistral-small-2506"),),
        user_agent=r"mistral-client-python/.*",
        process=r"vibe.*",
        variables={"MISTRAL_API_KEY": "test"},
        files={".vibe/config.toml": VIBE_CONFIG},
    ),
    Client(
        name="kimi-code",
        packages=("@moonshot-ai/kimi-code",),
        registry="npm",
        command=("kimi", "-p", PROMPT),
        calls=(Call(provider="anthropic", operation="chat", model="claude-haiku-4-5"),) * 2,
        user_agent=r"kimi-code-cli/.*",
        process=r"kimi-code",
        session=kimi_session,
        files={".kimi-code/config.toml": KIMI_CONFIG},
    ),
    Client(
        name="grok-cli",
        packages=("@vibe-kit/grok-cli",),
        registry="npm",
        command=("grok", "-m", "gpt-4o-mini", "-p", PROMPT),
        calls=(Call(provider="openai", operation="chat", model="gpt-4o-mini", is_stream=False),),
        user_agent=r"OpenAI/JS .*",
        process=r"node grok",
        variables={"GROK_API_KEY": "sk-test", "GROK_BASE_URL": OPENAI_URL},
    ),
    Client(
        name="claude-agent-sdk-node",
        packages=("@anthropic-ai/claude-agent-sdk",),
        registry="npm",
        command=("node", "claude_agent_node.mjs"),
        calls=(Call(provider="anthropic", operation="chat", model="claude-haiku-4-5"),) * 2,
        user_agent=r"claude-cli/.*",
        process=r".*claude.*",
        session=claude_session,
        variables=CLAUDE_QUIET | CLAUDE_KEY,
    ),
)
