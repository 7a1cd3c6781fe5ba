from strands import Agent
from strands.models.anthropic import AnthropicModel
from strands.models.openai import OpenAIModel

for model in (OpenAIModel(model_id="gpt-4o-mini"), AnthropicModel(model_id="claude-haiku-4-5", max_tokens=100)):
    print(Agent(model=model, callback_handler=None)("Where is my parcel?"))
