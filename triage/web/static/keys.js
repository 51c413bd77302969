// Keeps a person's approval key in this browser. The key can sign but never be read out again:
// WebCrypto holds it as non-extractable, IndexedDB holds only its handle.
import { hex } from "./digest.js";
import { word } from "./words.js";

const SIGNING = { name: "HMAC", hash: "SHA-256" };

function opened() {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open("triage", 1);
    request.onupgradeneeded = () => request.result.createObjectStore("keys");
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

async function inStore(mode, act) {
  const database = await opened();
  try {
    return await new Promise((resolve, reject) => {
      const work = database.transaction("keys", mode);
      const request = act(work.objectStore("keys"));
      work.oncomplete = () => resolve(request.result);
      work.onabort = () => reject(work.error);
    });
  } finally {
    database.close();
  }
}

// Takes 64 hexadecimal digits, blanks and dashes allowed; throws when it is anything else.
export async function keepKey(user, code) {
  const digits = code.replace(/[\s-]/g, "").toLowerCase();
  if (!/^[0-9a-f]{64}$/.test(digits)) {
    throw new Error(word("An approval code has 64 digits, 0 to 9 and a to f."));
  }
  const bytes = Uint8Array.from(digits.match(/../g), (pair) => parseInt(pair, 16));
  const key = await crypto.subtle.importKey("raw", bytes, SIGNING, false, ["sign"]);
  await inStore("readwrite", (keys) => keys.put(key, user));
  return key;
}

export function findKey(user) {
  return inStore("readonly", (keys) => keys.get(user));
}

export function forgetKey(user) {
  return inStore("readwrite", (keys) => keys.delete(user));
}

// The key of this session lies beside the person's own and is replaced at every log-in.
const SITTING = " sitting";

export function keepSitting(user, sitting) {
  return inStore("readwrite", (keys) => keys.put(sitting, user + SITTING));
}

export function findSitting(user) {
  return inStore("readonly", (keys) => keys.get(user + SITTING));
}

export function forgetSitting(user) {
  return inStore("readwrite", (keys) => keys.delete(user + SITTING));
}

// What the person's own key says of a session's key, as triage.domain.certificate_of makes it.
export async function certify(key, open, until) {
  const words = new TextEncoder().encode(`proof key:${open}:${until}`);
  return hex(await crypto.subtle.sign("HMAC", key, words));
}
