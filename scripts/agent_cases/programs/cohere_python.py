import cohere

client = cohere.ClientV2()
asked = {"model": "command-r-08-2024", "messages": [{"role": "user", "content": "Where is my parcel?"}]}
client.chat(**asked)
for event in client.chat_stream(**asked):
    print(event.type)
