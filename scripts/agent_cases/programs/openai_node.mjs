import OpenAI from "openai";

const client = new OpenAI();
const messages = [{ role: "user", content: "Where is my parcel?" }];
await client.chat.completions.create({ model: "gpt-4o-mini", messages });
const options = { stream: true, stream_options: { include_usage: true } };
for await (const part of await client.chat.completions.create({ model: "gpt-4o-mini", messages, ...options }))
  console.log(part.choices[0]?.delta.content);
await client.responses.create({ model: "gpt-5", input: "Where is my parcel?" });
const stream = await client.responses.create({ model: "gpt-5", input: "Where is my parcel?", stream: true });
for await (const event of stream) console.log(event.type);
