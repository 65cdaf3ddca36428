// The page: what exists at first, then what comes by Server-Sent Events.

import * as messages from "./messages.js";
import { preview } from "./preview.js";
import * as sites from "./sites.js";
import { delay, median } from "./text.js";

const live = document.getElementById("live");

function figures() {
  const known = messages.all();
  document.getElementById("figure-messages").textContent = known.length.toLocaleString("fr-FR");
  const told = known.map((message) => message.milliseconds).filter((value) => value !== null);
  document.getElementById("figure-delay").textContent = delay(median(told)) || "–";
}

function connect(after) {
  const events = new EventSource(`/events?after=${after}`);
  events.addEventListener("open", () => { live.dataset.live = "yes"; live.textContent = "En direct"; });
  events.addEventListener("error", () => { live.dataset.live = "no"; live.textContent = "Reconnexion…"; });
  events.addEventListener("message", (event) => { messages.add(JSON.parse(event.data)); figures(); });
  events.addEventListener("edit", (event) => { messages.edit(JSON.parse(event.data)); figures(); });
  events.addEventListener("state", (event) => {
    const state = JSON.parse(event.data);
    if (state.run !== run) return location.reload(); // another sandbox on the same port
    // Emptied elsewhere: by a test, in another window.
    if (messages.all().length && state.providers.every((one) => one.messages === 0)) { messages.clear(); figures(); }
    sites.draw(state);
  });
}

for (const tab of document.querySelectorAll(".tabs button")) {
  tab.addEventListener("click", () => {
    document.body.dataset.view = tab.dataset.view;
    document.body.classList.remove("reading");
    for (const one of document.querySelectorAll(".tabs button")) one.toggleAttribute("aria-current", one === tab);
    scrollTo(0, 0);
  });
}

document.getElementById("reset").addEventListener("click", async () => {
  await sites.post("/api/reset", {});
  messages.clear();
  figures();
});

messages.onShow(preview);
const [known, state] = await Promise.all(["/api/messages", "/api/state"].map(async (path) => (await fetch(path)).json()));
for (const message of known) messages.add(message, { fresh: false });
const { run } = state;
figures();
sites.draw(state);
connect(known.length ? known[known.length - 1].number : 0);
