from pydantic_ai import Agent

for model in (
    "openai-chat:gpt-4o-mini",
    "openai-responses:gpt-5",
    "anthropic:claude-haiku-4-5",
    "google:gemini-2.5-flash",
):
    print(Agent(model).run_sync("Where is my parcel?").output)
