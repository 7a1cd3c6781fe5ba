from smolagents import ChatMessage, LiteLLMModel, MessageRole, OpenAIModel

asked = [ChatMessage(role=MessageRole.USER, content=[{"type": "text", "text": "Where is my parcel?"}])]
for model in (OpenAIModel("gpt-4o-mini"), LiteLLMModel("anthropic/claude-haiku-4-5")):
    print(model.generate(asked).content)
    for part in model.generate_stream(asked):
        print(part.content)
