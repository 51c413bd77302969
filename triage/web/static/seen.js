// In a run each approval brings up the next case by itself. A second press of the same key, or of
// the mouse, was meant for the one before: it must not approve words that nobody has read.

// Milliseconds that a page is in sight before it is taken for seen.
const MOMENT = 2000;
// What a double press is made of; every other key is somebody at work on this page.
const PRESS = new Set(["Enter", "Control", "Meta", "Shift", "Alt"]);

// Calls `act` at once, or in a run after a moment in sight or the first thing somebody does here.
export function onceSeen(form, act) {
  if (form.elements.then?.value !== "run") return act();
  const words = document.getElementById("read-first");
  const heard = new AbortController();
  const { signal } = heard;
  let timer = 0;

  function seen() {
    heard.abort();
    clearTimeout(timer);
    // The words keep their place, so that nothing moves.
    words.classList.add("past");
    form.querySelector("[data-submit]").removeAttribute("aria-describedby");
    act();
  }

  function wait() {
    clearTimeout(timer);
    if (!document.hidden) timer = setTimeout(seen, MOMENT);
  }

  function key(event) {
    if (!event.repeat && !PRESS.has(event.key)) return seen();
    // Said again to who cannot see that the button is shut.
    if (event.key === "Enter") words.textContent = words.textContent.trim();
  }

  function press({ target }) {
    if (!target.closest("#approve .buttons")) seen();
  }

  document.addEventListener("keydown", key, { signal });
  document.addEventListener("pointerdown", press, { signal });
  for (const kind of ["wheel", "touchmove"]) {
    document.addEventListener(kind, seen, { signal, passive: true });
  }
  document.addEventListener("visibilitychange", wait, { signal });
  wait();
}
