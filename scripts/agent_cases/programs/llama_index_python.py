from llama_index.llms.anthropic import Anthropic
from llama_index.llms.openai import OpenAI, OpenAIResponses

for llm in (OpenAI(model="gpt-4o-mini"), OpenAIResponses(model="gpt-5"), Anthropic(model="claude-haiku-4-5")):
    print(llm.complete("Where is my parcel?"))
for part in Anthropic(model="claude-haiku-4-5").stream_complete("Where is my parcel?"):
    print(part.delta)
