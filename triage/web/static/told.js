// Closing a case: an outcome that needs words asks for them on the page, before the form leaves.

export function startTold() {
  document.addEventListener("change", ({ target }) => target.name === "outcome" && ask(target));
  document.querySelectorAll("select[name=outcome]").forEach(ask);
  // The page hears by itself what became of its replies. Before it has settled, htmx shows a new
  // state under the class of the old one.
  document.body.addEventListener("htmx:afterSettle", openWhenLeft);
}

// A case is closed once no reply of it is on its way, and as answered only where the last one left.
function openWhenLeft() {
  const note = document.getElementById("leaving");
  const replies = [...document.querySelectorAll("#replies .state")];
  if (!note || replies.some((one) => one.matches(".reply-queued, .reply-sending"))) return;
  // The words keep their place, so that nothing moves.
  note.classList.add("past");
  const form = note.closest("form");
  const button = form.querySelector("[data-submit]");
  button.disabled = false;
  button.removeAttribute("aria-describedby");
  const said = form.querySelector("[value=answered]");
  if (said && !replies.at(-1)?.matches(".reply-sent")) said.checked = false;
}

function ask(chosen) {
  const needs = (chosen.selectedOptions?.[0] ?? chosen).dataset.needs ?? "";
  for (const place of chosen.form.querySelectorAll("[data-told]")) {
    place.required = needs.split(" ").includes(place.dataset.told);
  }
}
