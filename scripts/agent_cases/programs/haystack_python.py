from haystack.components.generators.chat import OpenAIChatGenerator, OpenAIResponsesChatGenerator
from haystack.dataclasses import ChatMessage

asked = [ChatMessage.from_user("Where is my parcel?")]
print(OpenAIChatGenerator(model="gpt-4o-mini").run(asked))
usage = {"stream_options": {"include_usage": True}}
print(OpenAIChatGenerator(model="gpt-4o-mini", streaming_callback=print, generation_kwargs=usage).run(asked))
print(OpenAIResponsesChatGenerator(model="gpt-5").run(asked))
print(OpenAIResponsesChatGenerator(model="gpt-5", streaming_callback=print).run(asked))
