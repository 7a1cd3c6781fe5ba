// Logs calls to heliograph after the fact: no proxy in the way of the program, no delay, no exception.
//
//   import { HeliconeAsyncLogger } from "./heliograph.mjs";   // curl -O http://127.0.0.1:8787/heliograph.mjs
//   const logger = new HeliconeAsyncLogger({ apiKey: "sk-helicone-xxxx" });
//   logger.init();
//   const id = await logger.log(response, { userId: "user-123", properties: { feature: "chat" } });
//
// `log` returns at once with the call's id; what cannot be delivered is counted in `logger.lost` and said once on stderr.

const DEFAULT_URL = "http://127.0.0.1:8787";
const MOST_WAITING = 10_000; // logs; a program that is faster than its log loses the rest
const AT_ONCE = 8;
const DELIVER_MS = 10_000; // one delivery
const LAST_MS = 5_000; // of the program's exit

export class HeliconeAsyncLogger {
  lost = 0;
  #url;
  #headers;
  #waiting = [];
  #sending = new Set();
  #warned = false;
  #ready = false;

  /** baseUrl: where heliograph listens; default $HELIOGRAPH_URL, else http://127.0.0.1:8787. A path is left out. */
  constructor({ apiKey = "", baseUrl, headers = {} } = {}) {
    const named = baseUrl ?? globalThis.process?.env?.HELIOGRAPH_URL ?? DEFAULT_URL;
    try {
      this.#url = new URL(named).origin;
    } catch {
      this.#url = DEFAULT_URL;
      this.#warn(`${named} is no URL; using ${DEFAULT_URL}`);
    }
    this.#headers = { ...headers, "content-type": "application/json", authorization: `Bearer ${apiKey}` };
  }

  /** Delivers what is left when a signal ends the program; at its own end Node waits for what is on its way. */
  init() {
    if (this.#ready) return;
    this.#ready = true;
    for (const signal of ["SIGINT", "SIGTERM"]) {
      globalThis.process?.once?.(signal, async () => {
        await this.flush(LAST_MS);
        if (process.listenerCount(signal) === 0) process.kill(process.pid, signal); // what it does without us
      });
    }
  }

  /**
   * Logs an answer of an SDK. Options: userId, sessionId, sessionPath, sessionName, properties, request (what was
   * sent), startTime and endTime (Date or ms), requestId (a UUID). Returns the id, for feedback.
   */
  async log(response, options = {}) {
    const id = options?.requestId ?? newId();
    try {
      const [path, body] = describe(response, options ?? {}, id);
      this.#add(path, JSON.stringify(body, plain()));
    } catch (error) {
      this.#lose(`a log was not made: ${error}`);
    }
    return id;
  }

  /** Rates a logged call: true is good. */
  async feedback(id, rating) {
    this.#add(`/v1/request/${encodeURIComponent(id)}/feedback`, JSON.stringify({ rating }));
  }

  /** Gives a logged call numbers: { accuracy: 0.8 }. */
  async score(id, scores) {
    this.#add(`/v1/request/${encodeURIComponent(id)}/score`, JSON.stringify({ scores }));
  }

  /** Waits until all is delivered, at most so many milliseconds. */
  async flush(withinMs = LAST_MS) {
    const end = Date.now() + withinMs;
    while (this.#sending.size && Date.now() < end) {
      await Promise.race([...this.#sending, new Promise((done) => setTimeout(done, Math.max(1, end - Date.now())).unref?.())]);
    }
  }

  #add(path, body) {
    if (this.#waiting.length >= MOST_WAITING) return this.#lose("too many logs wait");
    this.#waiting.push([path, body]);
    while (this.#waiting.length && this.#sending.size < AT_ONCE) this.#next();
  }

  #next() {
    const sending = this.#deliver(...this.#waiting.shift()).finally(() => {
      this.#sending.delete(sending);
      if (this.#waiting.length) this.#next();
    });
    this.#sending.add(sending);
  }

  async #deliver(path, body) {
    try {
      const signal = AbortSignal.timeout(DELIVER_MS);
      const answer = await fetch(this.#url + path, { method: "POST", headers: this.#headers, body, signal });
      const text = await answer.text();
      if (!answer.ok) this.#lose(`${path}: HTTP ${answer.status} ${text.slice(0, 200)}`);
    } catch (error) {
      this.#lose(`${this.#url} did not take a log: ${error?.cause ?? error}`);
      if (error?.name === "TimeoutError") this.lost += this.#waiting.splice(0).length; // or the program's end waits for each
    }
  }

  #lose(why) {
    this.lost += 1;
    this.#warn(why);
  }

  #warn(why) {
    if (this.#warned) return;
    this.#warned = true;
    globalThis.console?.error?.(`heliograph: ${why}`);
  }
}

const PLACES = {
  chat: ["/oai/v1/log", "https://api.openai.com/v1/chat/completions"],
  text: ["/oai/v1/log", "https://api.openai.com/v1/completions"],
  responses: ["/oai/v1/log", "https://api.openai.com/v1/responses"],
  embeddings: ["/oai/v1/log", "https://api.openai.com/v1/embeddings"],
  message: ["/anthropic/v1/log", "https://api.anthropic.com/v1/messages"],
  other: ["/custom/v1/log", "custom-model-nopath"],
};

function kindOf(response) {
  if (response?.type === "message" && Array.isArray(response.content)) return "message";
  if (response?.object === "response") return "responses";
  if (response?.object === "chat.completion") return "chat";
  if (response?.object === "text_completion") return "text";
  if (response?.object === "list" && response.data?.[0]?.object === "embedding") return "embeddings";
  return "other";
}

/** The endpoint for a response, and Helicone's log of it. */
function describe(response, options, id) {
  const [path, url] = PLACES[kindOf(response)];
  const meta = { "Helicone-Request-Id": id };
  const named = { UserId: "User-Id", SessionId: "Session-Id", SessionPath: "Session-Path", SessionName: "Session-Name" };
  for (const [name, header] of Object.entries(named)) {
    const value = options[name[0].toLowerCase() + name.slice(1)];
    if (value !== undefined && value !== null) meta[`Helicone-${header}`] = String(value);
  }
  for (const [name, value] of Object.entries(options.properties ?? {})) {
    if (value !== undefined && value !== null) meta[`Helicone-Property-${name}`] = String(value);
  }
  const failed = response instanceof Error;
  const answer = failed ? { error: { type: response.name, message: response.message } } : response;
  const isText = typeof answer === "string";
  const end = moment(options.endTime) ?? Date.now();
  const start = moment(options.startTime);
  const request = options.request ?? (response?.model ? { model: response.model } : {});
  const log = {
    providerRequest: { url, json: request, meta },
    providerResponse: { json: isText ? {} : (answer ?? {}), status: failed ? (response.status ?? 500) : 200, headers: {} },
  };
  if (isText) log.providerResponse.textBody = answer;
  if (start !== undefined && start <= end) log.timing = { startTime: parts(start), endTime: parts(end) };
  return [path, log];
}

const moment = (value) => {
  const ms = value instanceof Date ? value.getTime() : value;
  return typeof ms === "number" && Number.isFinite(ms) && ms >= 0 ? ms : undefined;
};

const parts = (ms) => ({ seconds: Math.floor(ms / 1000), milliseconds: Math.round(ms % 1000) });

/** A replacer for what JSON cannot carry: big integers become text, circles are left out. */
function plain() {
  const above = [];
  return function (_, value) {
    if (typeof value === "bigint") return value.toString();
    if (typeof value !== "object" || value === null) return value;
    while (above.length && above.at(-1) !== this) above.pop();
    if (above.includes(value)) return undefined;
    above.push(value);
    return value;
  };
}

function newId() {
  if (globalThis.crypto?.randomUUID) return globalThis.crypto.randomUUID();
  const hex = () => Math.floor(Math.random() * 16).toString(16);
  return "xxxxxxxx-xxxx-4xxx-axxx-xxxxxxxxxxxx".replace(/x/g, hex); // Node 18 has crypto behind a flag
}
