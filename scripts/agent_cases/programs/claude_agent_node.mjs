import { query } from "@anthropic-ai/claude-agent-sdk";

for await (const message of query({ prompt: "Where is my parcel?", options: { model: "claude-haiku-4-5" } })) console.log(message.type);
