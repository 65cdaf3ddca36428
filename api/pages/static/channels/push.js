// This browser as a device for push messages: subscribes at its push service, and sends the subscription by the form.
// https://w3c.github.io/push-api/. An element with data-push="<state>" is shown in that state: "ready", "here",
// "denied", "install", "unsupported", "failed". A device has the digest of its endpoint in data-device.

export default async function push(element) {
  const form = element.querySelector("form[data-push]");
  form?.addEventListener("submit", (event) => submitDevice(event, element, form));
  const registration = isSupported() && (await navigator.serviceWorker.getRegistration(element.dataset.worker));
  const subscription = registration && (await registration.pushManager.getSubscription());
  const device = subscription && (await markDevice(element, subscription.endpoint));
  device?.querySelector("form").addEventListener("submit", () => {
    subscription.unsubscribe();
    registration.unregister();
  });
  showStates(element, chooseState(device && isMadeFor(subscription, element.dataset.key)));
}

// The first press subscribes. The form leaves when it has an endpoint: only then start.js is to guard it.
async function submitDevice(event, element, form) {
  if (form.elements.endpoint.value) return;
  event.preventDefault();
  event.stopPropagation();
  const button = form.querySelector("button");
  if (button.hasAttribute("aria-busy")) return;
  button.setAttribute("aria-busy", "true");
  try {
    await subscribe(element, form);
    form.requestSubmit();
  } catch (error) {
    console.info("push", error);
    showStates(element, ...(Notification.permission === "denied" ? ["denied"] : ["failed", "ready"]));
  } finally {
    button.removeAttribute("aria-busy");
  }
}

async function subscribe(element, form) {
  if ((await Notification.requestPermission()) !== "granted") throw new Error("no permission");
  await navigator.serviceWorker.register(element.dataset.worker, { scope: "/" });
  const { pushManager } = await navigator.serviceWorker.ready;
  // One of another account, or made with another key, is replaced: a browser has one subscription only.
  await (await pushManager.getSubscription())?.unsubscribe();
  const made = await pushManager.subscribe({ userVisibleOnly: true, applicationServerKey: decodeKey(element.dataset.key) });
  const { endpoint, keys } = made.toJSON();
  for (const name of ["p256dh", "auth"]) form.elements[`keys.${name}`].value = keys[name];
  form.elements.endpoint.value = endpoint;
}

function isSupported() {
  return "serviceWorker" in navigator && "PushManager" in window && "Notification" in window;
}

// What a browser subscribed for an earlier key of ours brings no message any more.
function isMadeFor(subscription, key) {
  const made = new Uint8Array(subscription.options.applicationServerKey);
  return decodeKey(key).every((byte, place) => byte === made[place]);
}

function chooseState(isHere) {
  // Safari has `standalone` on iPhone and iPad only, and push messages only for what is on the home screen.
  if (!isSupported()) return navigator.standalone === false ? "install" : "unsupported";
  if (Notification.permission === "denied") return "denied";
  return isHere ? "here" : "ready";
}

function showStates(element, ...states) {
  for (const part of element.querySelectorAll("[data-push]")) part.hidden = !states.includes(part.dataset.push);
}

async function markDevice(element, endpoint) {
  const device = element.querySelector(`[data-device="${await computeDigest(endpoint)}"]`);
  if (device) device.querySelector("[data-here]").hidden = false;
  return device;
}

// As `digest` of configs/ground/addresses.py does.
async function computeDigest(text) {
  const bytes = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
  return [...new Uint8Array(bytes, 0, 8)].map((each) => each.toString(16).padStart(2, "0")).join("");
}

function decodeKey(key) {
  const plain = atob(key.replaceAll("-", "+").replaceAll("_", "/"));
  return Uint8Array.from(plain, (each) => each.charCodeAt(0));
}
