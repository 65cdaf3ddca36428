// Live parts: <div data-module="…/live.js" data-live="/twin" data-live-seconds="5"> holds elements with data-part, whose
// HTML the JSON twin answers. One loop for each address; slower when the server is slow, paused in hidden tabs, ended by
// `stop`. After a change the element gets the event "live:changed" with the names of the parts.

const SLOWEST_MS = 60000;
const loops = new Map();

export default function live(element) {
  const loop = loops.get(element.dataset.live);
  if (loop) {
    loop.elements.push(element);
    return;
  }
  const seconds = Number(element.dataset.liveSeconds) || 5;
  const made = { url: element.dataset.live, elements: [element], gap: seconds * 1000, failures: 0, etag: null };
  loops.set(made.url, made);
  wait(made, made.gap);
}

function wait(loop, ms) {
  setTimeout(() => (document.hidden ? resume(loop) : ask(loop)), Math.min(ms, SLOWEST_MS));
}

function resume(loop) {
  document.addEventListener("visibilitychange", () => (document.hidden ? resume(loop) : ask(loop)), { once: true });
}

async function ask(loop) {
  const began = performance.now();
  try {
    const headers = { Accept: "application/json", ...(loop.etag && { "If-None-Match": loop.etag }) };
    const response = await fetch(loop.url, { headers, cache: "no-store", signal: AbortSignal.timeout?.(30000) });
    if (response.status === 401) return location.reload();
    if (response.status === 404) return undefined;
    if (!response.ok && response.status !== 304) throw new Error(response.status);
    loop.failures = 0;
    if (response.ok && show(loop, await response.json(), response.headers.get("ETag"))) return undefined;
  } catch {
    loop.failures += 1;
  }
  const took = performance.now() - began;
  return wait(loop, Math.max(loop.gap, 10 * took) * 2 ** Math.min(loop.failures, 5));
}

function show(loop, answer, etag) {
  loop.etag = etag;
  for (const element of loop.elements) {
    const changed = [];
    for (const part of element.querySelectorAll("[data-part]")) {
      const html = answer.parts[part.dataset.part];
      if (html === undefined || part.dataset.shown === html) continue;
      if (part.contains(document.activeElement)) {
        loop.etag = null; // asked for again once the person has moved on
        continue;
      }
      part.dataset.shown = html;
      part.innerHTML = html;
      changed.push(part.dataset.part);
    }
    if (changed.length) element.dispatchEvent(new CustomEvent("live:changed", { detail: changed, bubbles: true }));
  }
  return answer.stop;
}
