// Starts tasks without leaving the page, and asks for their state until they are finished.
"use strict";

const list = document.querySelector(".runs");
const template = document.querySelector("template");
const problem = document.querySelector(".problem");
const tasksUrl = document.body.dataset.tasks;
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
  if (!response.ok) throw new Error([answer.error, answer.reason].filter(Boolean).join(". "));
  return answer;
}

function draw(row, run) {
  row.dataset.state = run.state;
  row.toggleAttribute("data-finished", run.is_finished === true);
  row.querySelector(".badge").textContent = run.state;
  row.querySelector(".outcome").textContent =
    run.error || (run.state === "SUCCESS" ? JSON.stringify(run.result) : "");
  const retries = run.retries ? `${run.retries} ${run.retries === 1 ? "retry" : "retries"}` : "";
  row.querySelector(".note").textContent = [retries, run.worker].filter(Boolean).join(" · ");
}

// Small steps at first, longer ones later: a task that is finished is never asked about again.
function follow(row, waitMs = FIRST_POLL_MS) {
  if (row.hasAttribute("data-finished")) return;
  setTimeout(async () => {
    if (!row.isConnected) return;
    let nextMs = Math.min(waitMs * 1.3, SLOWEST_POLL_MS);
    try {
      const before = row.dataset.state;
      if (!document.hidden) draw(row, await ask(tasksUrl + row.dataset.id));
      if (row.dataset.state !== before) nextMs = FIRST_POLL_MS;
      tell("");
    } catch (error) {
      tell(error.message);
      nextMs = SLOWEST_POLL_MS;
    }
    follow(row, nextMs);
  }, waitMs);
}

// The address names the runs, so that a reload, or a reader without JavaScript, sees the same.
function keepInAddress(name, id) {
  const address = new URL(location.href);
  const runs = [`${name}.${id}`, ...address.searchParams.getAll("run")].slice(0, SHOWN_RUNS);
  address.search = new URLSearchParams(runs.map((run) => ["run", run]));
  history.replaceState(null, "", address);
}

async function start(form) {
  const name = form.dataset.task;
  const fields = [...form.querySelectorAll("input")];
  const values = fields.map((field) => (field.type === "number" ? field.valueAsNumber : field.value));
  const body = Object.fromEntries(fields.map((field, index) => [field.name, values[index]]));
  const run = await ask(tasksUrl + name, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
  });
  const row = template.content.firstElementChild.cloneNode(true);
  row.dataset.id = run.id;
  row.querySelector(".call").textContent = `${name}(${values.map((value) => JSON.stringify(value)).join(", ")})`;
  draw(row, run);
  list.prepend(row);
  while (list.children.length > SHOWN_RUNS) list.lastElementChild.remove();
  keepInAddress(name, run.id);
  follow(row);
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
for (const row of list.children) follow(row);
setInterval(async () => {
  if (document.hidden) return;
  try {
    drawMinuteJob((await ask(document.body.dataset.minuteJob)).last);
  } catch (error) {
    tell(error.message);
  }
}, MINUTE_POLL_MS);
