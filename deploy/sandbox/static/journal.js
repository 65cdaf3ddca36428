// What the product tells of its watching: hosts left alone, desks not watched, slots that went. Newest first.

import { build, plural, span, time } from "./text.js";

const OUTAGES = {
  captcha: "captcha", blocked: "le site refuse", rate_limited: "trop de demandes", maintenance: "maintenance",
  closed: "lien désactivé", unreachable: "pas de réponse", unreadable: "page illisible", stopped: "arrêt par un opérateur",
};
const GONE = { taken: "pris", past: "passés", lapsed: "plus confirmés", superseded: "précisés depuis" };

const card = document.getElementById("journal");
let drawn = "";

export function draw(state) {
  const key = JSON.stringify(state.journal);
  if (key === drawn) return;
  drawn = key;
  const rows = state.journal.slice().reverse().map((entry) => row(entry, state.sites));
  card.replaceChildren(...(rows.length ? rows : [build("li", { class: "calm" }, "Rien à signaler : chaque guichet est suivi.")]));
  card.scrollTop = 0;
}

// Until when a site is left alone, or null.
export function restUntil(state, site) {
  const until = state.journal.filter((entry) => entry.kind === "rest" && hostOf(site.url) === entry.where)
    .map((entry) => entry.until).pop();
  return until && new Date(until) > new Date() ? until : null;
}

const hostOf = (url) => new URL(url).host;
const minute = (iso) => time(iso).slice(0, 5).replace(":", "\u00a0h\u00a0");

function row(entry, sites) {
  const { tone, headline, detail } = said(entry);
  return build("li", { class: tone },
    build("span", { class: "code" }, code(entry.where, sites)),
    build("div", {}, build("p", {}, headline), detail ? build("p", { class: "detail" }, detail) : null),
    build("time", { datetime: entry.at }, time(entry.at)));
}

function code(where, sites) {
  const site = sites.find((one) => hostOf(one.url) === where);
  return site ? site.site : (where.match(/_([0-9AB]+)\//) || [])[1] || "?";
}

const desk = (entry) => entry.where.split("/").pop().replaceAll("-", " ");

function said(entry) {
  switch (entry.kind) {
    case "rest": return { tone: "bad", headline: `Au repos jusqu’à ${minute(entry.until)}`, detail: entry.where };
    case "stop": return { tone: "bad", headline: "Site arrêté par un opérateur", detail: entry.why };
    case "outage": return { tone: "bad", headline: `Plus suivi : ${OUTAGES[entry.why] || entry.why}`, detail: desk(entry) };
    case "watched": return { tone: "good", headline: `De nouveau suivi, après ${span(entry.since, entry.at)}`, detail: desk(entry) };
    default: return {
      tone: "", headline: `${plural(entry.count, "créneau parti", "créneaux partis")} : ${GONE[entry.why] || entry.why}`,
      detail: `${desk(entry)} · après ${span(entry.since, entry.at)}`,
    };
  }
}
