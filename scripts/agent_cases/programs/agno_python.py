from agno.agent import Agent
from agno.models.anthropic import Claude
from agno.models.openai import OpenAIChat, OpenAIResponses

for model in (OpenAIChat(id="gpt-4o-mini"), OpenAIResponses(id="gpt-5"), Claude(id="claude-haiku-4-5")):
    agent = Agent(model=model, telemetry=False)
    print(agent.run("Where is my parcel?").content)
    for part in agent.run("Where is my parcel?", stream=True):
        print(part)
