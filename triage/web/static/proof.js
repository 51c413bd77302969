// The key that signs approvals. This browser makes one for each session, after the second factor;
// the person's own key certifies it, and the private half can never be read out.
import { hex } from "./digest.js";
import { certify, findKey, findSitting, forgetSitting, keepSitting } from "./keys.js";
import { word } from "./words.js";

const CURVE = { name: "ECDSA", namedCurve: "P-256" };
const SIGNING = { name: "ECDSA", hash: "SHA-256" };

function page() {
  const { user, keyUntil } = document.body.dataset;
  const csrf = document.querySelector("header [name=csrf]")?.value;
  return { user, until: keyUntil, csrf };
}

async function enrolled(own, { user, until, csrf }) {
  const pair = await crypto.subtle.generateKey(CURVE, false, ["sign"]);
  const point = await crypto.subtle.exportKey("raw", pair.publicKey);
  const open = hex(point);
  const certificate = await certify(own, open, until);
  const answer = await fetch("/account/key", {
    method: "POST",
    body: new URLSearchParams({ csrf, public: open, until, certificate }),
  });
  if (!answer.ok) {
    throw new Error(
      word("The desk did not take this browser's key. Sign out, sign in and try again."),
    );
  }
  const id = hex(await crypto.subtle.digest("SHA-256", point));
  const sitting = { csrf, id, key: pair.privateKey };
  await keepSitting(user, sitting);
  return sitting;
}

async function made(afresh) {
  const here = page();
  const own = here.until && here.csrf ? await findKey(here.user) : null;
  if (!own) return null;
  const kept = await findSitting(here.user);
  return !afresh && kept?.csrf === here.csrf ? kept : enrolled(own, here);
}

let last = Promise.resolve();

// Returns this session's key, made and enrolled if there is none yet; null without the person's
// own key. `afresh` makes another one: the person has just typed a code.
export function sittingKey(afresh = false) {
  const mine = last.then(() => made(afresh));
  last = mine.catch(() => null);
  return mine;
}

// The proof names the key and is its signature, as triage.domain.approved_words has it.
export async function prove(sitting, reply, digest) {
  const words = new TextEncoder().encode(`approve:${reply}:${digest}`);
  return `${sitting.id}:${hex(await crypto.subtle.sign(SIGNING, sitting.key, words))}`;
}

// Enrols as soon as somebody is signed in, and forgets the key when they sign out.
export function startProof() {
  const { user, until } = page();
  if (!user || !until) return;
  // Whoever approves is told what went wrong here; it is tried again then.
  sittingKey().catch(() => null);
  document.querySelector('form[action="/log-out"]')?.addEventListener("submit", () => {
    forgetSitting(user);
  });
}
