"""The agent that makes a call, by what the call says of itself: `claude-code`, `codex/review`, `aider`. Pure.

A name after the slash is a sub-agent: the kind that the client names, or `sub-agent` where it gives an id alone (the id is
in `session_path`). User agents as seen on the wire, of these versions; SDKs say nothing of the agent built
on them, so most calls have none.
"""

from typing import Final

# Claude Code 2.1.329, Codex 0.169.0, Gemini CLI 0.61.0, Qwen Code 0.24.4, opencode 1.18.33, Kimi Code 2.1.0, OpenAI's Agents
# SDK 0.24.0 for Python and 0.20.0 for JavaScript, pydantic-ai.
_BY_USER_AGENT: Final = (
    ("claude-cli/", "claude-code"),
    ("codex_", "codex"),
    ("geminicli", "gemini-cli"),
    ("qwencode/", "qwen-code"),
    ("opencode/", "opencode"),
    ("kimi-code-cli/", "kimi-code"),
    ("agents/python", "openai-agents"),
    ("agents/javascript", "openai-agents"),
    ("pydantic-ai/", "pydantic-ai"),
)
_WITHIN_USER_AGENT: Final = ((" google-adk/", "google-adk"),)  # behind that of Google's SDK; 2.13.0
# The Agent SDK runs Claude Code, and says so in its brackets: `claude-cli/2.1.329 (external, sdk-py, agent-sdk/0.2.186)`.
_AGENT_SDK: Final = "agent-sdk/"
# Their user agent is that of the SDK below them. `cn` is Continue's.
_BY_COMMAND: Final = {
    **{"aider": "aider", "cline": "cline", "copilot": "copilot", "gptme": "gptme", "node cn": "continue", "pi": "pi"},
    **{"sgpt": "shell-gpt", "vibe-app-server": "mistral-vibe", "node grok": "grok-cli"},
}
SUB_AGENT: Final = "sub-agent"
_LONGEST_NAME: Final = 100


def agent_name(client: str | None, command: str | None, sub_agent: str | None) -> str | None:
    """`client`: the user agent; `command`: of the calling process; `sub_agent`: its kind. None: nothing tells."""
    main = _main_agent((client or "").lower(), command)
    return f"{main}/{sub_agent[:_LONGEST_NAME]}" if main and sub_agent else main


def _main_agent(client: str, command: str | None) -> str | None:
    found = next((name for begin, name in _BY_USER_AGENT if client.startswith(begin)), None)
    if found == "claude-code" and _AGENT_SDK in client:
        return "claude-agent-sdk"
    found = found or next((name for part, name in _WITHIN_USER_AGENT if part in client), None)
    return found or _BY_COMMAND.get(command or "")
