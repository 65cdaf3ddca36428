// Service worker: shows push messages, and opens the page that they lead to; keeps one page, which is nobody's own, for
// where there is no network. A message is JSON: title, body, url, tag. https://w3c.github.io/push-api/#the-push-event

const OWN_PAGE = "/notifications"; // in the account, where the address is missing
const WITHOUT_TEXT = { title: "RDVPriority", tag: "unreadable" }; // browsers demand that each message shows something

const KEPT = "no-network";
const OFFLINE = "/hors-ligne";

addEventListener("install", (event) => {
  skipWaiting();
  event.waitUntil(keepOffline());
});

// The page and the files that it names, in place of those kept before.
async function keepOffline() {
  const page = await fetch(OFFLINE, { cache: "reload", credentials: "omit" });
  const html = await page.clone().text();
  const files = [...html.matchAll(/(?:href|src)="(\/static\/[^"]+\.(?:css|js|svg))"/g)].map((found) => found[1]);
  await caches.delete(KEPT);
  const kept = await caches.open(KEPT);
  await kept.addAll(new Set(files));
  await kept.put(OFFLINE, page);
}

// Every answer is the network's. Without one, a page that was asked for is the kept page, and its files are the kept ones.
addEventListener("fetch", (event) => {
  const { method, mode, url } = event.request;
  const wanted = mode === "navigate" ? OFFLINE : new URL(url).pathname;
  if (method === "GET" && (wanted === OFFLINE || wanted.startsWith("/static/"))) event.respondWith(answer(event.request, wanted));
});

async function answer(request, wanted) {
  try {
    return await fetch(request);
  } catch (error) {
    const kept = await caches.match(wanted, { ignoreVary: true });
    if (kept) return kept;
    throw error;
  }
}

addEventListener("push", (event) => {
  const { title, body, url, tag } = readMessage(event.data);
  // The same tag replaces what it showed before, without a sound: an alert that comes twice, or whose slots are gone.
  event.waitUntil(registration.showNotification(title, { body, tag, dir: "auto", data: { url } }));
});

addEventListener("notificationclick", (event) => {
  event.notification.close();
  event.waitUntil(openPage(buildAddress(event.notification.data?.url)));
});

function readMessage(data) {
  try {
    const message = data.json();
    return message.title ? message : WITHOUT_TEXT;
  } catch {
    return WITHOUT_TEXT;
  }
}

// Of the address only the path counts: no message leads to another site.
function buildAddress(url) {
  const { pathname, search, hash } = new URL(url || OWN_PAGE, location.origin);
  return Object.assign(new URL(location.origin), { pathname, search, hash }).href;
}

async function openPage(address) {
  const windows = await clients.matchAll({ type: "window", includeUncontrolled: true });
  const shown = windows.find((each) => each.url === address);
  return shown ? shown.focus() : clients.openWindow(address);
}
