// Words and numbers as a French reader expects them, and safe building of elements.

const clock = new Intl.DateTimeFormat("fr-FR", { timeZone: "Europe/Paris", hour: "2-digit", minute: "2-digit", second: "2-digit" });
const day = new Intl.DateTimeFormat("fr-FR", { timeZone: "Europe/Paris", weekday: "short", day: "numeric", month: "short" });
const hour = new Intl.DateTimeFormat("fr-FR", { timeZone: "Europe/Paris", hour: "2-digit", minute: "2-digit" });

export const CHANNELS = { email: "E-mail", sms: "SMS", telegram: "Telegram", voice: "Appel", push: "Push" };

const instant = new Intl.DateTimeFormat("fr-FR", { timeZone: "Europe/Paris", hour: "2-digit", minute: "2-digit", second: "2-digit", fractionalSecondDigits: 3 });

export const precise = (iso) => instant.format(new Date(iso));
// A French number in pairs, any other as it is.
export const address = (to) => to.replace(/^\+33(\d)(\d\d)(\d\d)(\d\d)(\d\d)$/, "+33 $1 $2 $3 $4 $5");
export const time = (iso) => clock.format(new Date(iso));
export const slotDay = (iso) => day.format(new Date(iso)).replace(/\.(?= |$)/g, "");
export const slotHour = (iso) => hour.format(new Date(iso)).replace(":", " h ");

export function delay(milliseconds) {
  if (milliseconds === null || milliseconds === undefined) return "";
  if (milliseconds < 1000) return `${milliseconds} ms`;
  const seconds = milliseconds / 1000;
  if (seconds < 60) return `${seconds.toLocaleString("fr-FR", { maximumFractionDigits: 1 })} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s`;
  return `${Math.floor(seconds / 3600)} h ${Math.round((seconds % 3600) / 60)} min`;
}

export const speed = (milliseconds) =>
  milliseconds === null || milliseconds === undefined ? "untold" : milliseconds < 1000 ? "fast" : milliseconds < 10000 ? "fair" : "slow";

export const plural = (count, one, many) => `${count.toLocaleString("fr-FR")} ${count > 1 ? many : one}`;

export function median(values) {
  if (!values.length) return null;
  const sorted = [...values].sort((a, b) => a - b);
  return Math.round(sorted[Math.floor((sorted.length - 1) / 2)]);
}

// build("p", { class: "x" }, "text", child): texts are always text, never markup.
export function build(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

const isWeb = (address) => /^https?:\/\//i.test(address);

export const link = (address, text) =>
  isWeb(address) ? build("a", { href: address, target: "_blank", rel: "noopener noreferrer" }, text) : document.createTextNode(text);

// Plain text with its addresses as links.
export function linked(text) {
  const parts = text.split(/(https?:\/\/[^\s<>"]*[^\s<>".,;:!?)])/i);
  return parts.map((part, place) => (place % 2 ? link(part, part) : document.createTextNode(part)));
}

const TELEGRAM = new Set(["B", "STRONG", "I", "EM", "U", "INS", "S", "STRIKE", "DEL", "CODE", "PRE", "BLOCKQUOTE"]);

// Telegram's HTML, rebuilt from its few tags; everything else is shown as text.
export function telegram(html) {
  const parsed = new DOMParser().parseFromString(html, "text/html");
  return [...parsed.body.childNodes].map(rebuilt);
}

function rebuilt(node) {
  if (node.nodeType !== Node.ELEMENT_NODE) return document.createTextNode(node.textContent);
  const children = [...node.childNodes].map(rebuilt);
  if (node.tagName === "A") {
    const made = link(node.getAttribute("href") || "", "");
    if (made.nodeType !== Node.ELEMENT_NODE) return build("span", {}, ...children);
    made.append(...children);
    return made;
  }
  return build(TELEGRAM.has(node.tagName) ? node.tagName.toLowerCase() : "span", {}, ...children);
}
