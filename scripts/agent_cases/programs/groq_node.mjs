import Groq from "groq-sdk";

const client = new Groq();
const asked = { model: "llama-3.1-8b-instant", messages: [{ role: "user", content: "Where is my parcel?" }] };
console.log((await client.chat.completions.create(asked)).choices[0].message.content);
for await (const part of await client.chat.completions.create({ ...asked, stream: true }))
  console.log(part.choices[0].delta.content);
