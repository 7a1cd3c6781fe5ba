// Helicone's manual logger, pointed at the proxy: node manual_logger.mjs PROXY SESSION
import helpers from "@helicone/helpers";

const [, , proxy, session] = process.argv;
const logger = new helpers.HeliconeManualLogger({
  apiKey: "sk-helicone-xxxx",
  loggingEndpoint: `${proxy}/custom/v1/log`,
  headers: { "Helicone-User-Id": "user-123", "Helicone-Property-Feature": "chat", "Helicone-Session-Id": session },
});
const request = { model: "gpt-4o-mini", messages: [{ role: "user", content: "Where is my parcel?" }] };

await logger.logRequest(request, async (recorder) => {
  recorder.appendResults({
    id: "chatcmpl-1",
    object: "chat.completion",
    model: "gpt-4o-mini-2024-07-18",
    choices: [{ index: 0, message: { role: "assistant", content: "Hello." }, finish_reason: "stop" }],
    usage: { prompt_tokens: 100, completion_tokens: 10, total_tokens: 110 },
  });
  return "done";
});
