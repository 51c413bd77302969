// The field for the approval code, at log-in and on one's own page. It has no name, so no form
// ever posts it; it is emptied as soon as the key is kept.
import { findKey, forgetKey, keepKey } from "./keys.js";
import { sittingKey } from "./proof.js";
import { word } from "./words.js";

export function say(place, words) {
  place.textContent = words;
  place.hidden = !words;
}

export function startLogIn() {
  const form = document.getElementById("log-in");
  if (!form) return;
  const code = document.getElementById("code");
  const trouble = document.getElementById("code-trouble");
  form.addEventListener("submit", async (event) => {
    if (!code.value.trim()) return;
    event.preventDefault();
    try {
      await keepKey(form.elements.username.value.trim(), code.value);
    } catch (error) {
      say(trouble, error.message);
      code.focus();
      return;
    }
    code.value = "";
    form.submit();
  });
}

export async function startCodeKeeper() {
  const keeper = document.getElementById("code-keeper");
  if (!keeper) return;
  const user = document.body.dataset.user;
  const code = document.getElementById("code");
  const trouble = document.getElementById("code-trouble");
  const state = document.getElementById("code-state");
  const tell = async () => {
    const kept = Boolean(await findKey(user));
    state.textContent = kept ? word("Kept in this browser.") : word("Not in this browser yet.");
  };
  document.getElementById("keep-code").addEventListener("click", async () => {
    try {
      await keepKey(user, code.value);
      code.value = "";
      await sittingKey(true);
      say(trouble, "");
    } catch (error) {
      say(trouble, error.message);
    }
    await tell();
  });
  document.getElementById("forget-code").addEventListener("click", async () => {
    await forgetKey(user);
    await tell();
  });
  await tell();
}
