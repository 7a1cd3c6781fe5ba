import ollama

client = ollama.Client()
asked = [{"role": "user", "content": "Where is my parcel?"}]
print(client.chat(model="gpt-oss:20b", messages=asked).message.content)
for part in client.chat(model="gpt-oss:20b", messages=asked, stream=True):
    print(part.message.content)
