// Approving: the digest is computed here from the words on the screen and must be the server's;
// only then does the person's key sign it.
import { say } from "./code.js";
import { digestOf, shownFields } from "./digest.js";
import { keepKey } from "./keys.js";
import { onceSeen } from "./seen.js";
import { prove, sittingKey } from "./proof.js";
import { word } from "./words.js";

async function keyFor(user) {
  const code = document.getElementById("code");
  const typed = Boolean(code.value.trim());
  if (typed) {
    await keepKey(user, code.value);
    code.value = "";
  }
  return sittingKey(typed);
}

async function approve(form, preview) {
  const digest = await digestOf(shownFields(preview));
  if (digest !== preview.dataset.digest) {
    throw new Error(
      word("What you see is not what was saved. Reload the page and read it again."),
    );
  }
  const key = await keyFor(document.body.dataset.user);
  if (!key) {
    document.getElementById("need-code").hidden = false;
    document.getElementById("code").focus();
    throw new Error(word("This browser does not have your approval code yet."));
  }
  form.elements.digest.value = digest;
  form.elements.proof.value = await prove(key, preview.dataset.reply, digest);
  form.submit();
}

// Opens the button once somebody can have read the page, and shuts it for good when words are
// changed in the editor: those are not saved, and would not be the ones approved.
function watchButton(form) {
  const editor = document.querySelector("#write form");
  const button = form.querySelector("[data-submit]");
  const trouble = document.getElementById("approve-trouble");
  let changed = false;
  onceSeen(form, () => (button.disabled = changed));
  editor?.addEventListener("input", () => {
    changed = button.disabled = true;
    say(trouble, word("You changed the words below. Save them first."));
  });
}

export function startApproval() {
  const form = document.getElementById("approve");
  const preview = document.getElementById("check");
  if (!form || !preview) return;
  const trouble = document.getElementById("approve-trouble");
  let busy = false;
  // Without this script nothing can be signed, so the button waits for it.
  watchButton(form);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (busy) return;
    busy = true;
    say(trouble, "");
    try {
      await approve(form, preview);
    } catch (error) {
      busy = false;
      say(trouble, error.message);
    }
  });
}
