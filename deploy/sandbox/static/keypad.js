// What the called person can do while the phone rings.

import { build } from "./text.js";

const STATES = {
  ringing: "Le téléphone sonne", completed: "Appel terminé",
  busy: "Occupé", "no-answer": "Sans réponse", failed: "Échec",
};
const ACTIONS = {
  ringing: [["answer", "Décrocher"], ["machine", "Répondeur"], ["busy", "Occupé"]],
};

export function keypad(message) {
  const status = message.custom.CallStatus;
  return build("div", { class: "keypad" },
    build("p", { role: "status" }, STATES[status] || status),
    ...(ACTIONS[status] || []).map(([action, label]) =>
      build("button", { type: "button", "data-action": action, onclick: () => act(message, action) }, label)));
}

const act = (message, action) => fetch(`/api/calls/${message.provider_id}`, {
  method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ action }),
});
