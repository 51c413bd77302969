// The digest of an outgoing reply, computed from what the person sees: the same as
// triage.domain.Outgoing.digest, byte for byte.

const ORDER = ["case", "channel", "recipient", "in_reply_to", "subject", "body"];
const utf8 = new TextEncoder();

// Returns the fields of a preview in the order they are digested.
export function shownFields(preview) {
  const one = (name) => preview.querySelector(`[data-field="${name}"]`).textContent;
  const files = [...preview.querySelectorAll('[data-field="attachment"]')];
  return [...ORDER.map(one), ...files.map((part) => part.textContent)];
}

// Returns SHA-256 over the length-prefixed fields, in hexadecimal.
export async function digestOf(fields) {
  const parts = fields.flatMap((text) => {
    const bytes = utf8.encode(text);
    return [utf8.encode(`${bytes.length}:`), bytes];
  });
  const joined = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    joined.set(part, at);
    at += part.length;
  }
  return hex(await crypto.subtle.digest("SHA-256", joined));
}

export function hex(buffer) {
  return [...new Uint8Array(buffer)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
