// The list of messages: filters, rows, which one is chosen.

import { CHANNELS, address, build, delay, speed, telegram, time } from "./text.js";

const MOST_ROWS = 600;
const messages = []; // newest first
let channel = "";
let chosen = null;
let chosenByHand = false;
let show = () => {};

const list = document.getElementById("messages");

export const all = () => messages;
export const onShow = (listener) => { show = listener; };

export function add(message, { fresh = true } = {}) {
  if (messages.some((known) => known.number === message.number)) return;
  messages.unshift(message);
  if (channel && channel !== message.channel) return count();
  list.prepend(row(message, fresh));
  while (list.children.length > MOST_ROWS) list.lastElementChild.remove();
  count();
  if (!chosenByHand && matchMedia("(min-width: 900px)").matches) choose(message.number, false);
  else if (chosen !== null && message.channel !== "email") show(find(chosen), false);
}

export function edit(message) {
  const place = messages.findIndex((known) => known.number === message.number);
  if (place < 0) return;
  messages[place] = message;
  draw();
  const open = find(chosen);
  if (open && open.to === message.to) show(open, false);
}

export function clear() {
  messages.length = 0;
  chosen = null;
  chosenByHand = false;
  draw();
  show(null, false);
}

const find = (number) => messages.find((message) => message.number === number) || null;

export function choose(number, byHand = true) {
  chosen = number;
  chosenByHand = byHand;
  for (const one of list.querySelectorAll("button")) {
    if (Number(one.dataset.number) === number) one.setAttribute("aria-current", "true");
    else one.removeAttribute("aria-current");
  }
  show(find(number), byHand);
}

function draw() {
  const rows = messages.filter((message) => !channel || message.channel === channel).slice(0, MOST_ROWS);
  list.replaceChildren(...rows.map((message) => row(message, false)));
  count();
}

function count() {
  for (const one of document.querySelectorAll(".filters button")) {
    const wanted = one.dataset.channel;
    const number = messages.filter((message) => !wanted || message.channel === wanted).length;
    one.querySelector("span").textContent = number;
    one.setAttribute("aria-pressed", String(wanted === channel));
  }
  const none = document.getElementById("none");
  none.hidden = list.children.length > 0;
  none.querySelector(".headline").textContent = channel
    ? `Aucun message par ${CHANNELS[channel]} pour l’instant`
    : "Aucun message pour l’instant";
}

const titleOf = (message) => message.subject || firstLine(plain(message));

export function plain(message) {
  if (message.channel !== "telegram" || !message.html) return message.text;
  const holder = document.createElement("div");
  holder.append(...telegram(message.html));
  return holder.textContent;
}

const firstLine = (text) => text.split("\n").find((line) => line.trim()) || "(sans texte)";

function excerpt(message) {
  const rest = plain(message).trim();
  const text = message.subject ? rest : rest.slice(firstLine(rest).length);
  return text.replace(/\s+/g, " ").trim().slice(0, 140);
}

function row(message, fresh) {
  const told = [delay(message.milliseconds), message.edited_at && "modifié"].filter(Boolean).join(" · ");
  const whole = !excerpt(message); // one line: the text is its own title
  return build("li", { class: fresh ? "fresh" : null },
    build("button", {
      type: "button", "data-number": message.number, "aria-current": message.number === chosen ? "true" : null,
      onclick: () => choose(message.number),
    },
      build("span", { class: `channel ${message.channel}` }, CHANNELS[message.channel]),
      build("time", { datetime: message.received_at }, time(message.received_at)),
      build("span", { class: "to" }, address(message.to)),
      told ? build("span", { class: `delay ${speed(message.milliseconds)}`, title: "Délai depuis la lecture de la page" }, told) : null,
      build("span", { class: whole ? "title said-whole" : "title" }, titleOf(message)),
      whole ? null : build("span", { class: "excerpt" }, excerpt(message)),
    ));
}

for (const one of document.querySelectorAll(".filters button")) {
  one.addEventListener("click", () => { channel = one.dataset.channel; draw(); });
}
