// Telegram's side of a chat: buttons that send something to the bot, and a line to write to it.

import { build, link } from "./text.js";

const SHOWN = 6000; // milliseconds
let draft = ""; // what is typed survives a message that comes meanwhile

function tell(words) {
  const toast = document.getElementById("toast");
  toast.textContent = words;
  toast.hidden = false;
  setTimeout(() => { toast.hidden = true; }, SHOWN);
}

async function post(path, body) {
  const answer = await fetch(path, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });
  return { ok: answer.ok, said: await answer.json() };
}

async function press(message, button) {
  const { ok, said } = await post("/api/telegram/press", { message: message.number, data: button.data });
  if (!ok) return tell(said.error);
  if (!said.answered) return tell("Le robot n’a pas répondu au bouton.");
  if (said.text) tell(said.text);
}

const make = (message, button) => (button.data
  ? build("button", { type: "button", onclick: () => press(message, button) }, button.text)
  : link(button.url, button.text));

export function buttons(message) {
  const rows = new Map();
  for (const button of message.buttons) rows.set(button.row, [...(rows.get(button.row) || []), button]);
  return [...rows.values()].map((row) => build("div", { class: "button" }, ...row.map((button) => make(message, button))));
}

export function composer(chat) {
  const field = build("input", {
    name: "text", value: draft, required: true, autocomplete: "off", placeholder: "/alerts", "aria-label": "Écrire au robot",
    oninput: () => { draft = field.value; },
  });
  const write = async (event) => {
    event.preventDefault();
    const { ok, said } = await post("/api/telegram/say", { chat, text: field.value });
    if (!ok) return tell(said.error);
    draft = field.value = "";
  };
  return build("form", { class: "composer", onsubmit: write }, field, build("button", { type: "submit" }, "Envoyer"));
}
