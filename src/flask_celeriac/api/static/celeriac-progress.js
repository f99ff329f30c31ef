// <celeriac-progress>: shows a task of Flask-Celeriac while it runs, and how it ended.
//
//   <celeriac-progress task="ID" src="/api/v1/tasks/ID" label="Report" cancellable>
//     <a href="/api/v1/tasks/ID">Report</a>
//   </celeriac-progress>
//
// task         id of the task, for the page's own scripts
// src          URL of the task's status; without it nothing is asked for
// events       URL of its event stream; src + "/events" unless given
// label        what the task is called, for people
// cancellable  shows a button that cancels the task
//
// It sets its own attribute `state`, and sends `celeriac:progress` and `celeriac:end`, which bubble; their
// detail is the status. Nothing here is inline, so it needs no exception from a Content-Security-Policy.

const FINISHED = new Set(["SUCCESS", "FAILURE", "REVOKED"]);
const REFUSED = { 401: "forbidden", 403: "forbidden", 404: "unknown", 410: "expired" };
const FIRST_POLL_MS = 1000;
const SLOWEST_POLL_MS = 10000;
const LONGEST_PAUSE_MS = 60000;
const ANSWER_MS = 30000;
// A proxy may hold a stream back: what it does not tell for so long is asked for.
const SILENCE_MS = 15000;
const DRAW_MS = 50;
const SPEAK_MS = 5000;
const SHOWN_CHARACTERS = 1000;

/** Follows one task: by its event stream where it gets one, else by asking again. */
class Watch {
  static #openStreams = 0;

  #src;
  #events;
  #listener;
  #stopped = new AbortController();
  #stream = null;
  #lastEventId = "";
  #heardCount = 0;
  #hasStream = true;
  #etag = null;
  #pauseMs = FIRST_POLL_MS;
  #timer = 0;
  #status = null;

  /** `listener` has the methods `showStatus(status)`, `showLost(isLost)` and `showRefused(reason)`. */
  constructor(src, events, listener) {
    this.#src = src;
    this.#events = events;
    this.#listener = listener;
    document.addEventListener("visibilitychange", () => this.#turn(), { signal: this.#stopped.signal });
    this.#look();
  }

  stop() {
    this.#stopped.abort();
    clearTimeout(this.#timer);
    this.#close();
  }

  /** Cancel the task; rejects where that was refused. */
  async cancel() {
    const response = await this.#fetch({ method: "DELETE" });
    if (!response.ok) throw new Error(`cancelling was answered with ${response.status}`);
    this.#take(await response.json());
    this.#pauseMs = FIRST_POLL_MS;
    if (!this.#stream) this.#lookIn(FIRST_POLL_MS);
  }

  // A page that nobody sees holds no stream: a browser has few connections to one server.
  #turn() {
    if (document.hidden) this.#close();
    this.#lookIn(document.hidden ? SLOWEST_POLL_MS : 0);
  }

  #fetch(options) {
    const signal = AbortSignal.any([this.#stopped.signal, AbortSignal.timeout(ANSWER_MS)]);
    return fetch(this.#src, { credentials: "same-origin", cache: "no-store", signal, ...options });
  }

  #lookIn(ms) {
    clearTimeout(this.#timer);
    if (!this.#stopped.signal.aborted) this.#timer = setTimeout(() => this.#look(), ms);
  }

  async #look() {
    let response = null;
    try {
      const heardCount = this.#heardCount;
      response = await this.#fetch({ headers: this.#etag ? { "If-None-Match": this.#etag } : {} });
      await this.#read(response, heardCount);
      this.#listener.showLost(false);
      this.#open();
    } catch {
      if (this.#stopped.signal.aborted) return;
      this.#pauseMs = longer(this.#pauseMs);
      this.#listener.showLost(true);
    }
    this.#lookIn(this.#waitMs(response));
  }

  async #read(response, heardCount) {
    if (response.status === 304) {
      this.#pauseMs = longer(this.#pauseMs);
    } else if (response.ok) {
      const status = await response.json();
      this.#etag = response.headers.get("ETag");
      this.#pauseMs = FIRST_POLL_MS;
      // What the stream told meanwhile is newer.
      if (heardCount === this.#heardCount || FINISHED.has(status.state)) this.#take(status);
    } else if (response.status in REFUSED) {
      this.stop();
      this.#listener.showRefused(REFUSED[response.status]);
    } else {
      throw new Error(`the status was answered with ${response.status}`);
    }
  }

  #waitMs(response) {
    if (this.#stream) return SILENCE_MS;
    const pauseMs = document.hidden ? SLOWEST_POLL_MS : this.#pauseMs;
    return Math.max(pauseMs, Math.min(retryAfterMs(response), LONGEST_PAUSE_MS));
  }

  #take(status) {
    if (this.#stopped.signal.aborted) return;
    this.#status = status;
    if (FINISHED.has(status.state)) this.stop();
    this.#listener.showStatus(status);
  }

  #open() {
    const isFull = Watch.#openStreams >= CeleriacProgress.streams;
    if (this.#stream || !this.#hasStream || isFull || document.hidden) return;
    if (this.#stopped.signal.aborted) return;
    const url = new URL(this.#events, document.baseURI);
    if (this.#lastEventId) url.searchParams.set("last_event_id", this.#lastEventId);
    const stream = new EventSource(url);
    Watch.#openStreams += 1;
    this.#stream = stream;
    const hear = (kind, merge) => stream.addEventListener(kind, (event) => this.#hear(event, merge));
    hear("state", (data) => ({ ...this.#status, ...data }));
    hear("progress", (data) => ({ ...this.#status, state: "PROGRESS", progress: data }));
    hear("reset", (data) => data);
    hear("end", (data) => data);
    stream.addEventListener("error", () => this.#fail(stream));
  }

  #hear(event, merge) {
    this.#lastEventId = event.lastEventId;
    this.#heardCount += 1;
    this.#lookIn(SILENCE_MS);
    this.#take(merge(JSON.parse(event.data)));
  }

  // The browser itself opens a stream again that broke off; one that was refused stays closed.
  #fail(stream) {
    if (stream !== this.#stream || stream.readyState !== EventSource.CLOSED) return;
    this.#close();
    this.#hasStream = false;
    this.#lookIn(this.#pauseMs);
  }

  #close() {
    if (!this.#stream) return;
    this.#stream.close();
    this.#stream = null;
    Watch.#openStreams -= 1;
  }
}

function longer(pauseMs) {
  return Math.min(pauseMs * 1.5, SLOWEST_POLL_MS);
}

function retryAfterMs(response) {
  const given = response?.headers.get("Retry-After");
  if (!given) return 0;
  const seconds = Number(given);
  return Number.isNaN(seconds) ? Date.parse(given) - Date.now() || 0 : seconds * 1000;
}

const sheet = new CSSStyleSheet();
sheet.replaceSync(`
  :host { display: block; position: relative; min-width: 0; overflow-wrap: anywhere; }
  :host([hidden]), [hidden] { display: none !important; }
  .box {
    --tone: var(--celeriac-accent, light-dark(#1f6b40, #6cc791));
    --bad: var(--celeriac-error, light-dark(#a82a24, #ff9a90));
    --track: var(--celeriac-track, light-dark(#dfe3dd, #36443b));
    --soft: var(--celeriac-soft, light-dark(#55645a, #a3b5a9));
    display: grid;
    gap: 0.4em;
  }
  .is-bad { --tone: var(--bad); }
  .is-cancelled { --tone: var(--soft); }
  .row { display: flex; flex-wrap: wrap; align-items: center; gap: 0.3em 1em; }
  .row > :first-child { flex: 1 1 0; min-width: min(100%, 8em); }
  p { margin: 0; }
  [part=label] { font-weight: 600; }
  [part=figure] { margin-inline-start: auto; font-variant-numeric: tabular-nums; }
  [part=time] { color: var(--soft); }
  [part=bar] {
    height: var(--celeriac-height, 0.6em);
    border-radius: 1em;
    background: var(--track);
    overflow: hidden;
  }
  [part=fill] {
    height: 100%;
    width: calc(var(--percent, 0) * 1%);
    border-radius: inherit;
    background: var(--tone);
    transition: width 0.3s;
  }
  .is-moving [part=fill] { width: 30%; animation: pass 1.8s ease-in-out infinite; }
  @keyframes pass { from { transform: translateX(-100%); } to { transform: translateX(334%); } }
  .is-bad [part=message] { color: var(--bad); font-weight: 600; }
  [part=outcome] { font-weight: 600; white-space: pre-wrap; }
  [part=message]:focus { outline: none; }
  [part=notice] { color: var(--soft); }
  [part=cancel] {
    margin-inline-start: auto;
    min-height: 1.9em;
    padding: 0.2em 0.9em;
    border: 1px solid currentcolor;
    border-radius: 0.5em;
    background: transparent;
    color: inherit;
    font: inherit;
    cursor: pointer;
  }
  [part=cancel]:hover { background: color-mix(in srgb, currentcolor 10%, transparent); }
  [part=cancel][aria-disabled=true] { opacity: 0.65; cursor: progress; }
  :focus-visible { outline: 2px solid var(--tone); outline-offset: 2px; }
  .spoken { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
  @media (prefers-reduced-motion: reduce) {
    [part=fill] { transition: none; }
    .is-moving [part=fill] { width: 100%; animation: none; opacity: 0.45; }
  }
  @media (forced-colors: active) {
    [part=bar] { border: 1px solid CanvasText; }
    [part=fill] { background: Highlight; forced-color-adjust: none; }
  }
`);

/** Makes an element with attributes and children, without any markup that a policy would have to allow. */
function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

export class CeleriacProgress extends HTMLElement {
  static observedAttributes = ["src", "events", "label", "cancellable"];

  /** How many elements of a page hold a stream at a time; the others ask. Browsers have six connections to a server. */
  static streams = 2;

  /** What is said; an application may change each. `{time}` is a duration in the page's language. */
  static texts = {
    task: "Task",
    PENDING: "Waiting to start",
    STARTED: "Running",
    PROGRESS: "Running",
    RETRY: "Failed, and is tried again",
    SUCCESS: "Done",
    FAILURE: "Failed",
    REVOKED: "Cancelled",
    left: "about {time} left",
    cancel: "Cancel",
    cancelling: "Cancelling…",
    notCancelled: "It could not be cancelled. Try again.",
    lost: "The server does not answer. Trying again…",
    unknown: "There is no such task.",
    expired: "The result is kept no longer.",
    forbidden: "You may not see this task.",
  };

  // Off: within a live region of the page each step would be read out.
  #box = make("div", { class: "box", "aria-live": "off" });
  #parts = {};
  #spoken = make("p", { class: "spoken", role: "status", "aria-live": "polite" });
  #isShown = false;
  #watch = null;
  #status = null;
  #refusal = "";
  #notice = "";
  #isLost = false;
  #isCancelling = false;
  #drawTimer = 0;
  #speakTimer = 0;

  constructor() {
    super();
    const parts = this.#parts;
    const part = (name, tag, attributes) => (parts[name] = make(tag, { part: name, ...attributes }));
    part("label", "span", { id: "label" });
    part("figure", "span");
    part("fill", "div");
    part("bar", "div", { role: "progressbar", "aria-valuemin": 0, "aria-valuemax": 100 });
    part("message", "p", { tabindex: -1 });
    part("time", "p");
    part("cancel", "button", { type: "button" });
    part("outcome", "p");
    part("notice", "p");
    parts.bar.append(parts.fill);
    parts.cancel.addEventListener("click", () => this.#cancel());
    this.#box.append(
      make("div", { class: "row" }, parts.label, parts.figure),
      parts.bar,
      make("div", { class: "row" }, parts.message, parts.time, parts.cancel),
      parts.outcome,
      parts.notice,
      this.#spoken,
    );
    const root = this.attachShadow({ mode: "open" });
    root.adoptedStyleSheets = [sheet];
    root.append(this.#box);
  }

  /** The task's status as last heard of; null before. */
  get status() {
    return this.#status;
  }

  connectedCallback() {
    this.#isShown = true;
    this.#restart();
  }

  disconnectedCallback() {
    this.#isShown = false;
    this.#stop();
  }

  attributeChangedCallback(name, before, after) {
    if (!this.#isShown || before === after) return;
    if (name === "src" || name === "events") this.#restart();
    else this.#draw();
  }

  #restart() {
    this.#stop();
    this.#status = null;
    this.#refusal = this.#notice = "";
    this.#isLost = this.#isCancelling = false;
    this.#draw();
    const src = this.getAttribute("src");
    if (!src) return;
    this.#watch = new Watch(src, this.getAttribute("events") ?? `${src}/events`, {
      showStatus: (status) => this.#show(status),
      showLost: (isLost) => this.#lose(isLost),
      showRefused: (reason) => this.#refuse(reason),
    });
  }

  #stop() {
    this.#watch?.stop();
    this.#watch = null;
    clearTimeout(this.#drawTimer);
    clearTimeout(this.#speakTimer);
    this.#drawTimer = this.#speakTimer = 0;
  }

  // A stream tells all that has happened when it opens: that is drawn, and told, as one step.
  #show(status) {
    this.#status = status;
    this.#isLost = false;
    if (FINISHED.has(status.state)) this.#end();
    else this.#drawTimer ||= setTimeout(() => this.#update("celeriac:progress"), DRAW_MS);
  }

  #update(event) {
    clearTimeout(this.#drawTimer);
    this.#drawTimer = 0;
    this.#draw();
    this.dispatchEvent(new CustomEvent(event, { detail: this.#status, bubbles: true, composed: true }));
  }

  #end() {
    const hadFocus = this.shadowRoot.activeElement === this.#parts.cancel;
    this.#isCancelling = false;
    this.#notice = "";
    this.#update("celeriac:end");
    if (hadFocus) this.#parts.message.focus();
    this.#speak();
  }

  #lose(isLost) {
    if (isLost === this.#isLost) return;
    this.#isLost = isLost;
    this.#draw();
  }

  #refuse(reason) {
    this.#status = null;
    this.#refusal = CeleriacProgress.texts[reason];
    this.#draw();
    this.#speak();
  }

  async #cancel() {
    if (this.#isCancelling) return;
    this.#isCancelling = true;
    this.#notice = "";
    this.#draw();
    const watch = this.#watch;
    try {
      await watch?.cancel();
    } catch {
      // The task may have ended, or another one be shown, while this was asked.
      if (watch !== this.#watch || FINISHED.has(this.#status?.state)) return;
      this.#isCancelling = false;
      this.#notice = CeleriacProgress.texts.notCancelled;
      this.#draw();
      this.#speak();
    }
  }

  #draw() {
    const { texts } = CeleriacProgress;
    const { state = null, progress = null, cancellation = null } = this.#status ?? {};
    const isFinished = FINISHED.has(state);
    const isCancelling = !isFinished && (this.#isCancelling || Boolean(cancellation));
    if (state) this.setAttribute("state", state);
    else this.removeAttribute("state");
    this.#box.classList.toggle("is-bad", state === "FAILURE");
    this.#box.classList.toggle("is-cancelled", state === "REVOKED");
    this.#say("label", this.getAttribute("label") ?? "");
    this.#drawBar(state, progress ?? {});
    const running = (isCancelling && texts.cancelling) || progress?.message || texts[state] || state || "…";
    this.#say("message", this.#refusal || (isFinished ? texts[state] : running));
    this.#say("time", isFinished || isCancelling ? "" : this.#left(progress?.eta_s));
    this.#say("outcome", isFinished ? outcome(this.#status) : "");
    this.#say("notice", this.#isLost ? texts.lost : this.#notice);
    this.#drawCancel(Boolean(state) && !isFinished, isCancelling);
    if (state && !this.#speakTimer) this.#speak();
  }

  #drawBar(state, { percent = null, current = null }) {
    const { bar, fill } = this.#parts;
    const label = this.getAttribute("label");
    setOrRemove(bar, "aria-labelledby", label ? "label" : null);
    setOrRemove(bar, "aria-label", label ? null : CeleriacProgress.texts.task);
    const shown = state === "SUCCESS" ? 100 : percent;
    const isKnown = typeof shown === "number";
    const isFinished = FINISHED.has(state);
    bar.hidden = Boolean(this.#refusal) || (isFinished && !isKnown);
    this.#box.classList.toggle("is-moving", !isKnown && !isFinished && state !== null && state !== "PENDING");
    fill.style.setProperty("--percent", isKnown ? shown : 0);
    setOrRemove(bar, "aria-valuenow", isKnown ? Math.floor(shown) : null);
    const share = isKnown ? this.#number(Math.floor(shown) / 100, { style: "percent" }) : "";
    this.#say("figure", share || (typeof current === "number" ? this.#number(current) : ""));
  }

  #drawCancel(isRunning, isCancelling) {
    const { cancel } = this.#parts;
    this.#say("cancel", CeleriacProgress.texts.cancel);
    cancel.hidden = !isRunning || !this.hasAttribute("cancellable");
    // Not `disabled`, which would take the focus away.
    cancel.setAttribute("aria-disabled", isCancelling);
  }

  #left(seconds) {
    if (typeof seconds !== "number" || seconds <= 0) return "";
    const [amount, unit] = inWords(seconds);
    const time = this.#number(amount, { style: "unit", unit, unitDisplay: "long" });
    return CeleriacProgress.texts.left.replace("{time}", time);
  }

  #number(value, options) {
    const language = this.closest("[lang]")?.lang || undefined;
    return new Intl.NumberFormat(language, options).format(value);
  }

  #say(part, text) {
    const element = this.#parts[part];
    if (element.textContent !== text) element.textContent = text;
    element.hidden = !text;
  }

  // Who listens instead of looking hears the first state, then one every few seconds, and the end.
  #speak() {
    const { label, figure, message, time, outcome, notice } = this.#parts;
    const told = [label, figure, message, time, outcome, notice].map((part) => part.textContent);
    const text = told.filter(Boolean).join(", ");
    if (this.#spoken.textContent !== text) this.#spoken.textContent = text;
    clearTimeout(this.#speakTimer);
    this.#speakTimer = setTimeout(() => {
      this.#speakTimer = 0;
      if (this.#status && !FINISHED.has(this.#status.state)) this.#speak();
    }, SPEAK_MS);
  }
}

function setOrRemove(element, name, value) {
  if (value === null) element.removeAttribute(name);
  else element.setAttribute(name, value);
}

function inWords(seconds) {
  if (seconds <= 10) return [Math.ceil(seconds), "second"];
  if (seconds <= 55) return [5 * Math.ceil(seconds / 5), "second"];
  if (seconds < 5400) return [Math.ceil(seconds / 60), "minute"];
  return [Math.round(seconds / 3600), "hour"];
}

function outcome({ state, result, error, cancellation }) {
  if (state === "REVOKED") return cancellation?.reason ?? "";
  if (state === "FAILURE") return error ? cut(`${error.type}: ${error.message}`) : "";
  if (result === null || result === undefined) return "";
  return cut(typeof result === "string" ? result : JSON.stringify(result));
}

function cut(text) {
  return text.length > SHOWN_CHARACTERS ? `${text.slice(0, SHOWN_CHARACTERS)}…` : text;
}

if (!customElements.get("celeriac-progress")) customElements.define("celeriac-progress", CeleriacProgress);
