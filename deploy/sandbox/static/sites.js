// The panel of booking sites and providers: what is open, and buttons to change it.

import { build, link, plural, slotDay, slotHour, time } from "./text.js";

const MODES = {
  normal: "Normal", overload: "Service surchargé", overload_502: "Surchargé (502)", overload_503: "Surchargé (503)", overload_504: "Surchargé (504)",
  block: "Refuse tout (403)", cloudflare: "Vérification Cloudflare", captcha: "Captcha", maintenance: "Maintenance",
  hang: "Répond en retard", hang_forever: "Ne répond jamais", layout: "Page transformée", closed: "Lien désactivé", rate_limited: "Trop de demandes (429)",
  reset: "Coupe la connexion", drip: "Un octet par seconde", big: "Page de 10 Mo", empty: "Page vide", error200: "Erreur, statut 200",
  truncated_gzip: "Compression tronquée", endless: "Page sans fin", redirect_loop: "Redirection en boucle",
  redirect_away: "Redirige ailleurs",
  error_500: "Erreur 500", timeout: "Ne répond jamais", slow: "Répond en retard", yes_without_answer: "Accepte sans répondre",
  unauthorized: "Clé refusée", refuse: "Injoignable", reject_address: "Refuse une adresse",
  reset_after: "Fait, puis coupe la connexion", half_answer: "Fait, coupe la réponse au milieu",
};
const PROVIDER_MODES = { normal: "Normal", rate_limited: "Trop d’envois (429)" };
const OPENED = 3; // slots a press of the button opens
const SHOWN = 6; // slots shown under a form

let latest = null;
const drawn = new Map(); // card by site or provider, with the state it shows

// Only cards that changed are drawn anew, and none while it is being pressed or its menu is open.
export function draw(state) {
  latest = state;
  const reject = (name) => name !== "reject_address"; // needs an address: the control API takes it
  for (const one of state.sites) {
    place("sites", one.site, one, () => site(one, state.modes));
  }
  for (const one of state.providers) place("providers", one.provider, one, () => provider(one, one.modes.filter(reject)));
  const slots = state.sites.flatMap((one) => one.forms.flatMap((form) => form.plannings.flatMap((planning) => planning.slots)));
  document.getElementById("figure-slots").textContent = slots.length.toLocaleString("fr-FR");
}

function place(parent, name, state, make) {
  const key = JSON.stringify(state);
  const known = drawn.get(name);
  if (known && (known.key === key || inUse(known.card))) return;
  const card = make();
  const focus = known && known.card.contains(document.activeElement) ? document.activeElement.dataset.act : null;
  if (known) known.card.replaceWith(card);
  else document.getElementById(parent).append(card);
  drawn.set(name, { key, card });
  if (focus) card.querySelector(`[data-act="${focus}"]`)?.focus();
}

const inUse = (card) => card.matches(":active") || card.querySelector("select:focus") !== null;

for (const end of ["pointerup", "pointercancel", "focusout"]) {
  document.addEventListener(end, () => setTimeout(() => latest && draw(latest)));
}

export async function post(path, body) {
  const answer = await fetch(path, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });
  if (!answer.ok) {
    const toast = document.getElementById("toast");
    toast.textContent = (await answer.json()).error;
    toast.hidden = false;
    setTimeout(() => { toast.hidden = true; }, 5000);
  }
}

function modes(names, now, label, change, words = {}) {
  const options = names.map((name) => build("option", { value: name, selected: name === now }, words[name] || MODES[name] || name));
  return build("select", { class: now === "normal" ? "mode" : "mode troubled", "aria-label": label, onchange: (event) => { const wanted = event.target.value; event.target.blur(); change(wanted); } }, ...options);
}

function site(one, names) {
  const { requests, reservations } = one.counters;
  return build("article", { class: one.mode === "normal" ? "card site" : "card site bad" },
    build("header", {},
      build("span", { class: "code" }, one.site),
      build("div", {}, build("h3", {}, one.name), build("p", { title: "reçues de tous les visiteurs" }, plural(requests, "demande", "demandes"))),
      modes([...names, ...Object.keys(one.own_modes)], one.mode, `État du site ${one.name}`, (mode) => post(`/api/sites/${one.site}/mode`, { mode }), one.own_modes),
    ),
    reservations ? build("p", { class: "reserved" }, plural(reservations, "créneau réservé par un programme", "créneaux réservés par un programme")) : null,
    ...one.forms.map((form) => booking(one, form)),
  );
}

function booking(one, form) {
  const slots = form.plannings.flatMap((planning) => planning.slots).sort((a, b) => new Date(a) - new Date(b));
  const anywhere = form.plannings[Math.floor(Math.random() * form.plannings.length)].planning;
  const open = () => post(`/api/sites/${one.site}/open`, { form: form.form, planning: anywhere, count: OPENED });
  const take = () => post(`/api/sites/${one.site}/take`, { form: form.form });
  return build("div", { class: "form" },
    build("div", { class: "line" },
      build("p", { class: "title" }, link(`${one.url}${form.page}`, form.title),
        build("small", {}, form.plannings.length > 1 ? ` · ${form.plannings.length} guichets` : "")),
      build("span", { class: slots.length ? "open some" : "open" }, slots.length ? plural(slots.length, "créneau", "créneaux") : "complet")),
    slots.length ? build("ul", { class: "slots" },
      ...slots.slice(0, SHOWN).map((slot) => build("li", {}, `${slotDay(slot)} `, build("b", {}, slotHour(slot)))),
      slots.length > SHOWN ? build("li", { class: "more" }, `+ ${slots.length - SHOWN}`) : null) : null,
    build("div", { class: "acts" },
      build("button", { type: "button", class: "primary", "data-act": `open ${form.form}`, onclick: open }, `Ouvrir ${OPENED} créneaux`),
      build("button", { type: "button", class: "secondary", "data-act": `take ${form.form}`, disabled: !slots.length, onclick: take }, "Tout prendre")));
}

function provider(one, names) {
  return build("li", {},
    build("span", { class: `channel ${one.channel}` }, one.channel === "payment" ? link(`${one.url}/`, one.name) : one.name),
    build("span", { class: "calls" }, plural(one.calls, "appel", "appels")),
    modes(names, one.mode, `État de ${one.name}`, (mode) => post(`/api/providers/${one.provider}/mode`, { mode }), PROVIDER_MODES));
}
