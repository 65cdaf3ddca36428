// The chosen message as its reader sees it: a mail in a frame, SMS and Telegram as bubbles on a phone.

import { buttons, composer } from "./chat.js";
import { keypad } from "./keypad.js";
import { all } from "./messages.js";
import { CHANNELS, address, build, delay, linked, precise, speed, telegram, time } from "./text.js";

const PROVIDERS = { sendgrid: "SendGrid", smtp: "SMTP", twilio: "Twilio", twilio_calls: "Twilio (appels)", telegram: "Telegram", web_push: "Service push" };
const reader = document.getElementById("reader");
let form = "html"; // how mails are shown: html, narrow, text
let current = null;

export async function preview(message, byHand) {
  current = message ? message.number : null;
  document.body.classList.toggle("reading", Boolean(message) && byHand);
  if (!message) return reader.replaceChildren(nothing());
  if (message.channel === "email") await mail(message);
  else phone(message);
  if (byHand) reader.scrollTop = 0;
}

const nothing = () => build("div", { class: "empty" },
  build("p", { class: "headline" }, "Choisissez un message"),
  build("p", {}, "Il s’affiche ici tel que la personne le reçoit."));

function close() {
  document.body.classList.remove("reading");
}

function head(message, title, extra) {
  const told = delay(message.milliseconds);
  return build("header", { class: "letter" },
    build("button", { type: "button", class: "back", onclick: close }, "‹ Messages"),
    build("h2", {}, title),
    build("dl", {},
      fact("De", message.from),
      fact("Par", PROVIDERS[message.provider]),
      fact("À", address(message.to)),
      message.seen_at ? fact("Page lue", precise(message.seen_at)) : null,
      fact("Envoyé", precise(message.received_at)),
      message.edited_at ? fact("Modifié", precise(message.edited_at)) : null,
    ),
    build("div", { class: "line" },
      told ? build("p", { class: `took ${speed(message.milliseconds)}` },
        build("strong", {}, told), " après la lecture de la page") : null,
      extra),
  );
}

const fact = (name, value) => (value ? build("div", {}, build("dt", {}, name), build("dd", {}, value)) : null);

async function mail(message) {
  const answer = await fetch(`/api/messages/${message.number}`);
  if (current !== message.number) return;
  const whole = answer.ok ? await answer.json() : message;
  if (current !== message.number) return;
  const views = build("div", { class: "views", role: "group", "aria-label": "Affichage" },
    ...[["html", "Ordinateur"], ["narrow", "Téléphone"], ["text", "Texte"]].map(([name, label]) =>
      build("button", { type: "button", "aria-pressed": String(form === name), onclick: () => { form = name; mail(message); } }, label)));
  const body = form === "text" || !whole.html
    ? build("div", { class: "plain", dir: "auto" }, ...linked(whole.text))
    : frame(whole.html, form === "narrow");
  reader.replaceChildren(head(whole, whole.subject, views), body);
}

// No script runs in the frame; its origin is ours only so that its height can be read.
function frame(html, narrow) {
  const made = build("iframe", {
    class: narrow ? "mail narrow" : "mail", title: "Contenu de l’e-mail",
    sandbox: "allow-same-origin allow-popups allow-popups-to-escape-sandbox",
  });
  made.srcdoc = `<base target="_blank">${html}`;
  made.addEventListener("load", () => {
    const fit = () => { made.style.height = `${made.contentDocument.documentElement.scrollHeight}px`; };
    fit();
    new ResizeObserver(fit).observe(made.contentDocument.body);
  });
  return made;
}

function phone(message) {
  const thread = all().filter((one) => one.channel === message.channel && one.to === message.to).slice(0, 30).reverse();
  const name = message.channel === "sms" ? message.from || "SMS" : "RDVPriority";
  const screen = build("div", { class: `phone ${message.channel}` },
    build("p", { class: "contact" }, build("span", { class: "face", "aria-hidden": "true" }, "R"), build("span", {}, name, build("small", {}, { sms: "Message texte", voice: "Appel", push: "Notification" }[message.channel] || "robot"))),
    build("div", { class: "thread" }, ...thread.map((one) => bubble(one, one.number === message.number))),
    message.channel === "telegram" ? composer(message.to) : null);
  reader.replaceChildren(head(message, `Message ${CHANNELS[message.channel]}`), screen);
  const shown = screen.querySelector(".chosen");
  if (shown) screen.querySelector(".thread").scrollTop = shown.offsetTop - 60;
}

function bubble(message, chosen) {
  const text = message.channel === "telegram" && message.html ? telegram(message.html)
    : linked(message.channel === "push" ? `${message.subject}\n${message.text}` : message.text);
  return build("div", { class: chosen ? "bubble chosen" : "bubble" },
    build("div", { class: "said", dir: "auto" }, ...text, build("time", { datetime: message.received_at },
      message.edited_at ? "modifié " : "", time(message.received_at).slice(0, 5))),
    message.channel === "voice" ? keypad(message) : null,
    ...buttons(message));
}
