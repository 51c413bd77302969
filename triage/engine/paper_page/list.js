
"use strict";
const sealed = JSON.parse(document.getElementById("sealed").textContent);
const bytes = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
const utf8 = new TextEncoder();

// However somebody typed it: letters that are not used stand for those they look like.
const plain = (code) =>
  code.toUpperCase().replace(/[^0-9A-Z]/g, "").replace(/[IL]/g, "1").replace(/O/g, "0").replace(/U/g, "V");

async function opened(code) {
  const { key } = sealed;
  const typed = await crypto.subtle.importKey("raw", utf8.encode(plain(code)), "PBKDF2", false, ["deriveKey"]);
  const stretch = { name: "PBKDF2", hash: "SHA-256", salt: bytes(key.salt), iterations: key.iterations };
  const aes = { name: "AES-GCM", length: 256 };
  const wrapper = await crypto.subtle.deriveKey(stretch, typed, aes, false, ["decrypt"]);
  const pkcs8 = await crypto.subtle.decrypt({ name: "AES-GCM", iv: bytes(key.nonce) }, wrapper, bytes(key.wrapped));
  const curve = { name: "ECDH", namedCurve: "P-256" };
  const mine = await crypto.subtle.importKey("pkcs8", pkcs8, curve, false, ["deriveBits"]);
  const theirs = await crypto.subtle.importKey("raw", bytes(sealed.point), curve, false, []);
  const secret = await crypto.subtle.deriveBits({ name: "ECDH", public: theirs }, mine, 256);
  const shared = await crypto.subtle.importKey("raw", secret, "HKDF", false, ["deriveKey"]);
  const info = utf8.encode("triage downtime list");
  const mix = { name: "HKDF", hash: "SHA-256", salt: bytes(sealed.point), info };
  const cipher = await crypto.subtle.deriveKey(mix, shared, aes, false, ["decrypt"]);
  const content = await crypto.subtle.decrypt({ name: "AES-GCM", iv: bytes(sealed.nonce) }, cipher, bytes(sealed.sealed));
  return JSON.parse(new TextDecoder().decode(content));
}

// Words of patients are text here and never markup.
function add(parent, tag, text, kind) {
  const made = parent.appendChild(document.createElement(tag));
  if (kind) made.className = kind;
  if (text) made.textContent = text;
  return made;
}

function words(box, message) {
  add(box, "p", message.subject || "(no subject)", "subject");
  add(box, "p", message.text);
}

function item(list, one) {
  const box = add(list, "article", "", one.urgency);
  const head = add(box, "h2", "");
  add(head, "code", one.code);
  const who = one.patient || "Who is this?";
  head.append(` ${one.urgency === "routine" ? "" : `${one.urgency.toUpperCase()} · `}${who}`);
  const known = one.patient ? `born ${one.born}, record ${one.record || "none"} · ${one.reached.join(" · ")}` : "";
  if (known) add(box, "p", known);
  const came = `${one.received.replace("T", " ").slice(0, 16)} UTC from ${one.sender} ${one.address}`;
  add(box, "p", `${came} · ${one.messages} message(s)${one.reply ? ` · reply ${one.reply}` : ""}${one.held_by ? ` · with ${one.held_by}` : ""}`, "small");
  if (one.because.length) add(box, "p", one.because.join(" · "), "small");
  if (one.newest) add(box, "p", "The message that decides how urgent it is:", "small");
  words(box, one);
  if (one.newest) {
    add(box, "p", "The newest message:", "small");
    words(box, one.newest);
  }
  const done = add(box, "div", "", "done");
  ["who", "when", "what was done"].forEach((word) => add(done, "span", word));
}

function show(content) {
  const list = document.getElementById("list");
  const at = new Date(content.made_at);
  document.querySelector("h1").textContent = `${content.clinic}: open items`;
  const old = Math.round((Date.now() - at) / 60000);
  add(list, "p", `${content.items.length} open at ${at.toLocaleString()} (${old} minutes ago)`);
  content.items.forEach((one) => item(list, one));
  list.hidden = false;
  document.getElementById("open").hidden = true;
}

document.getElementById("open").addEventListener("submit", async (event) => {
  event.preventDefault();
  const trouble = document.getElementById("trouble");
  trouble.textContent = "Opening …";
  try {
    show(await opened(document.getElementById("code").value));
  } catch {
    trouble.textContent = "This code does not open the list. Read it again, letter by letter.";
  }
});
