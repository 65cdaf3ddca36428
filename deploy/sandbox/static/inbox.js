// The page: what exists at first, then what came since the last look.

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

const ask = async (path) => (await fetch(path)).json();

async function look() {
  try {
    const [coming, state] = await Promise.all([`/api/messages?after=${after}`, "/api/state"].map(ask));
    live.dataset.live = "yes";
    live.textContent = "En direct";
    if (state.run !== run) return location.reload(); // another sandbox on the same port
    // Emptied elsewhere: by a test, in another window.
    if (messages.all().length && state.providers.every((one) => one.messages === 0)) messages.clear();
    for (const message of coming) {
      messages.edit(message);
      messages.add(message);
      after = message.change;
    }
    figures();
    sites.draw(state);
  } catch {
    live.dataset.live = "no";
    live.textContent = "Reconnexion…";
  }
  setTimeout(look, 1000);
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
const [known, state] = await Promise.all(["/api/messages", "/api/state"].map(ask));
for (const message of known) messages.add(message, { fresh: false });
const { run } = state;
let after = Math.max(0, ...known.map((message) => message.change));
sites.draw(state);
figures();
look();
