from groq import Groq

client = Groq()
asked = {"model": "llama-3.1-8b-instant", "messages": [{"role": "user", "content": "Where is my parcel?"}]}
client.chat.completions.create(**asked)
for chunk in client.chat.completions.create(**asked, stream=True):
    print(chunk.choices[0].delta.content)
