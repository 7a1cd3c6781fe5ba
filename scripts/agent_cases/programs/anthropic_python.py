from anthropic import Anthropic

client = Anthropic()
asked = {
    "model": "claude-haiku-4-5",
    "max_tokens": 99,
    "messages": [{"role": "user", "content": "Where is my parcel?"}],
}
client.messages.create(**asked)
with client.messages.stream(**asked) as stream:
    print(stream.get_final_text())
