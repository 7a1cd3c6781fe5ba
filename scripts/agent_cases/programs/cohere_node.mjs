import { CohereClientV2 } from "cohere-ai";

const client = new CohereClientV2({ token: process.env.CO_API_KEY });
const asked = { model: "command-r-08-2024", messages: [{ role: "user", content: "Where is my parcel?" }] };
console.log((await client.chat(asked)).message.content[0].text);
for await (const event of await client.chatStream(asked)) console.log(event.type);
