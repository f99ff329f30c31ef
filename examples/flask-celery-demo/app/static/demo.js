// Starts tasks without leaving the page, and asks for their state until they are finished. What takes long is shown
// by <celeriac-progress>, which asks by itself.
"use strict";

const list = document.querySelector(".runs");
const template = document.querySelector("template");
const problem = document.querySelector(".problem");
const runUrl = document.body.dataset.run;
const FINISHED = ["SUCCESS", "FAILURE", "REVOKED"];
const SHOWN_RUNS = 8;
const FIRST_POLL_MS = 400;
const SLOWEST_POLL_MS = 5000;
const MINUTE_POLL_MS = 10000;

function tell(text) {
  problem.textContent = text;
  problem.hidden = !text;
}

async function ask(url, options) {
  const response = await fetch(url, options);
  const answer = await response.json();
  if (!response.ok) throw new Error(reasonOf(answer));
  return answer;
}

// The page's own views tell `error` and `reason`; those for tasks, what RFC 9457 wants.
function reasonOf(answer) {
  const fields = (answer.errors ?? []).map(({ pointer, detail }) => `${pointer.slice(2)}: ${detail}`);
  return [answer.error, answer.reason, answer.detail, ...fields].filter(Boolean).join(". ");
}

function draw(row, run) {
  const isNew = row.dataset.state !== run.state;
  row.dataset.state = run.state;
  row.toggleAttribute("data-finished", FINISHED.includes(run.state));
  row.querySelector(".badge").textContent = run.state;
  if (isNew) say(row, outcomeOf(run));
  const count = Math.max(0, run.state === "RETRY" ? run.attempts : run.attempts - 1);
  row.dataset.retries = count ? `${count} ${count === 1 ? "retry" : "retries"}` : "";
  drawNote(row);
  if (isNew && run.state !== "PENDING") drawMore(row).catch(() => {});
}

function outcomeOf({ state, result, error }) {
  if (error) return `${error.type}: ${error.message}`;
  return state === "SUCCESS" ? JSON.stringify(result) : "";
}

function say(row, text) {
  const outcome = row.querySelector(".outcome");
  if (outcome) outcome.textContent = text;
}

function drawNote(row) {
  row.querySelector(".note").textContent = [row.dataset.retries, row.dataset.worker].filter(Boolean).join(" · ");
}

// Which worker ran a task, and why it is tried again, is not told to everybody: this page asks for it beside.
async function drawMore(row) {
  const { worker, outcome } = await ask(runUrl + row.dataset.id);
  row.dataset.worker = worker ?? "";
  if (row.dataset.state === "RETRY") say(row, outcome);
  drawNote(row);
}

// Small steps at first, longer ones later: a task that is finished is never asked about again.
function follow(row, waitMs = FIRST_POLL_MS) {
  if (row.hasAttribute("data-finished")) return;
  setTimeout(async () => {
    if (!row.isConnected) return;
    let nextMs = Math.min(waitMs * 1.3, SLOWEST_POLL_MS);
    try {
      const before = row.dataset.state;
      if (!document.hidden) draw(row, await ask(row.dataset.url));
      if (row.dataset.state !== before) nextMs = FIRST_POLL_MS;
      tell("");
    } catch (error) {
      tell(error.message);
      nextMs = SLOWEST_POLL_MS;
    }
    follow(row, nextMs);
  }, waitMs);
}

function watch(row, url) {
  const element = document.createElement("celeriac-progress");
  element.setAttribute("src", url);
  element.setAttribute("label", "Report");
  element.setAttribute("cancellable", "");
  const place = document.createElement("div");
  place.className = "watched";
  place.append(element);
  row.querySelector(".outcome").replaceWith(place);
}

async function start(form) {
  const name = form.dataset.task;
  const fields = [...form.querySelectorAll("input")];
  const values = fields.map((field) => (field.type === "number" ? field.valueAsNumber : field.value));
  const body = Object.fromEntries(fields.map((field, index) => [field.name, values[index]]));
  const run = await ask(form.dataset.submit, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
  });
  const row = template.content.firstElementChild.cloneNode(true);
  row.dataset.id = run.id;
  row.dataset.url = run.links.self;
  row.querySelector(".call").textContent = `${name}(${values.map((value) => JSON.stringify(value)).join(", ")})`;
  draw(row, run);
  if (name === "render_report") watch(row, run.links.self);
  else follow(row);
  list.prepend(row);
  while (list.children.length > SHOWN_RUNS) list.lastElementChild.remove();
}

for (const form of document.querySelectorAll("form[data-task]")) {
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const button = form.querySelector("button");
    button.disabled = true;
    try {
      await start(form);
      tell("");
    } catch (error) {
      tell(error.message);
    }
    button.disabled = false;
  });
}

for (const event of ["celeriac:progress", "celeriac:end"]) {
  list.addEventListener(event, ({ target, detail }) => draw(target.closest(".run"), detail));
}

function drawMinuteJob(last) {
  if (!last) return;
  const message = document.querySelector(".minute output");
  const time = document.querySelector(".minute time");
  message.classList.remove("none");
  message.textContent = last.message;
  time.dateTime = last.at;
  showLocalTime(time);
}

function showLocalTime(time) {
  if (time.dateTime) time.textContent = `at ${new Date(time.dateTime).toLocaleTimeString()}`;
}

showLocalTime(document.querySelector(".minute time"));
for (const row of list.children) if (row.querySelector(".outcome")) follow(row);
setInterval(async () => {
  if (document.hidden) return;
  try {
    drawMinuteJob((await ask(document.body.dataset.minuteJob)).last);
  } catch (error) {
    tell(error.message);
  }
}, MINUTE_POLL_MS);
