import Anthropic from "@anthropic-ai/sdk";

const client = new Anthropic();
const messages = [{ role: "user", content: "Where is my parcel?" }];
const asked = { model: "claude-haiku-4-5", max_tokens: 99, messages };
await client.messages.create(asked);
console.log(await client.messages.stream(asked).finalText());
