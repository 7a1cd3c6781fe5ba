import { Mistral } from "@mistralai/mistralai";

const client = new Mistral({ apiKey: process.env.MISTRAL_API_KEY });
const asked = { model: "mistral-small-2506", messages: [{ role: "user", content: "Where is my parcel?" }] };
console.log((await client.chat.complete(asked)).choices[0].message.content);
for await (const event of await client.chat.stream(asked)) console.log(event.data.choices[0].delta.content);
