"""Agents are known by what they say of themselves; the user agents are those that real clients sent."""

import pytest

from addon.metering.agent_names import agent_name


@pytest.mark.parametrize(
    ("client", "name"),
    [
        ("claude-cli/2.1.329 (external, sdk-cli)", "claude-code"),
        ("claude-cli/2.1.329 (external, sdk-py, agent-sdk/0.2.186)", "claude-agent-sdk"),
        ("codex_exec/0.169.0 (Debian 12.0.0; x86_64) dumb (codex_exec; 0.169.0)", "codex"),
        ("GeminiCLI-tui/0.61.0/gemini-2.5-flash (linux; x64; terminal)", "gemini-cli"),
        ("QwenCode/0.24.4 (linux; x64)", "qwen-code"),
        ("opencode/1.18.33 ai-sdk/provider-utils/4.0.1 runtime/bun/1.3.14", "opencode"),
        ("Agents/Python 0.24.0", "openai-agents"),
        ("Agents/JavaScript 0.20.0", "openai-agents"),
        ("kimi-code-cli/2.1.0", "kimi-code"),
        ("google-genai-sdk/2.34.0 gl-python/3.13.0 google-adk/2.13.0 gl-python/3.13.0", "google-adk"),
        ("OpenAI/Python 3.52.0", None),
        ("not claude-cli/1", None),
        ("", None),
        (None, None),
    ],
)
def test_the_user_agent_names_the_agent(client: str | None, name: str | None) -> None:
    assert agent_name(client, None, None) == name


def test_the_command_names_one_that_speaks_as_its_sdk() -> None:
    assert agent_name("OpenAI/Python 2.20.0", "aider", None) == "aider"
    assert agent_name("Anthropic/JS 0.91.1", "pi", None) == "pi"
    assert agent_name("ls/JS 5.23.2", "node cn", None) == "continue"
    assert agent_name("OpenAI/JS 5.20.1", "copilot", None) == "copilot"
    assert agent_name("ai-sdk/anthropic/4.0.42", "cline", None) == "cline"
    assert agent_name("Anthropic/Python 1.17.0", "gptme", None) == "gptme"
    assert agent_name("OpenAI/Python 2.54.0", "sgpt", None) == "shell-gpt"
    assert agent_name("mistral-client-python/2.6.0", "vibe-app-server", None) == "mistral-vibe"
    assert agent_name("OpenAI/JS 5.23.2", "node grok", None) == "grok-cli"
    assert agent_name("OpenAI/Python 2.20.0", "python", None) is None
    assert agent_name("codex_exec/0.169.0", "aider", None) == "codex"


def test_a_sub_agent_stands_below_its_agent() -> None:
    assert agent_name("codex_exec/0.169.0", None, "review") == "codex/review"
    assert agent_name("curl/8", None, "review") is None
    assert agent_name("codex_exec/0.169.0", None, "x" * 10_000) == "codex/" + "x" * 100
