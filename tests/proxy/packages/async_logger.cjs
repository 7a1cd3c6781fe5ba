// Helicone's own logger, pointed at the proxy: node async_logger.cjs PROXY PROVIDER SESSION
const { HeliconeAsyncLogger } = require("@helicone/helicone");
const OpenAI = require("openai");

const [, , proxy, provider, session] = process.argv;
const logger = new HeliconeAsyncLogger({
  apiKey: "sk-helicone-xxxx",
  baseUrl: `${proxy}/v1/trace/log`,
  providers: { openAI: OpenAI },
  headers: { "Helicone-User-Id": "user-123", "Helicone-Property-Feature": "chat", "Helicone-Session-Id": session },
});
logger.init();

(async () => {
  const openai = new OpenAI({ apiKey: "k", baseURL: `${provider}/v1` });
  await openai.chat.completions.create({
    model: "gpt-4o-mini",
    messages: [{ role: "user", content: "Where is my parcel?" }],
  });
})();
