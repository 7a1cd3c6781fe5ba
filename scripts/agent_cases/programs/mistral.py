import os

from mistralai.client import Mistral

client = Mistral(api_key=os.environ["MISTRAL_API_KEY"])
asked = {"model": "mistral-small-2506", "messages": [{"role": "user", "content": "Where is my parcel?"}]}
client.chat.complete(**asked)
for event in client.chat.stream(**asked):
    print(event.data.choices[0].delta.content)
