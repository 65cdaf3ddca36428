// Service worker of push messages: shows them, and opens the page that they lead to. It has no `fetch` handler, so that
// no page is kept or changed. A message is JSON: title, body, url, tag. https://w3c.github.io/push-api/#the-push-event

const OWN_PAGE = "/notifications"; // in the account, where the address is missing
const WITHOUT_TEXT = { title: "RDVPriority", tag: "unreadable" }; // browsers demand that each message shows something

addEventListener("install", () => skipWaiting());

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
