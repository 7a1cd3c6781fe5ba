// Helicone's manual logger of the older package: its URL cannot be set, so it comes through HTTPS_PROXY.
const { HeliconeManualLogger } = require("@helicone/helicone");

const [, , session] = process.argv;
const logger = new HeliconeManualLogger({
  apiKey: "sk-helicone-xxxx",
  headers: { "Helicone-User-Id": "user-123", "Helicone-Property-Feature": "chat", "Helicone-Session-Id": session },
});
logger.registerRequest({ model: "gpt-4o-mini", messages: [{ role: "user", content: "Where is my parcel?" }] });
logger.sendLog({
  object: "chat.completion",
  model: "gpt-4o-mini-2024-07-18",
  choices: [{ index: 0, message: { role: "assistant", content: "Hello." }, finish_reason: "stop" }],
  usage: { prompt_tokens: 100, completion_tokens: 10, total_tokens: 110 },
});
