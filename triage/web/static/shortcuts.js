// The keyboard: single letters act only outside fields and can be switched off by each person.

const SWITCH = "single-keys";

const typing = (target) => target.closest("input, textarea, select, [contenteditable]");

function step(by) {
  const links = [...document.querySelectorAll("a.open")];
  if (!links.length) return;
  const at = links.indexOf(document.activeElement);
  const next = at < 0 ? 0 : Math.min(links.length - 1, Math.max(0, at + by));
  links[next].focus();
}

// Presses what the page marks with this key: a link or button, or a fold that opens. What cannot
// be taken back waits on its button: Enter presses it.
function press(letter) {
  const target = document.querySelector(`[data-key="${letter}"]`);
  if (!target) return false;
  if (target.tagName !== "SUMMARY") {
    if ("waits" in target.dataset) target.focus();
    else target.click();
    return true;
  }
  const fold = target.parentElement;
  fold.open = true;
  // The words first, unless the page says better: whoever writes a reply seldom changes its subject.
  const field =
    fold.querySelector("[data-first]") ??
    fold.querySelector("textarea") ??
    fold.querySelector("select, input:not([type=hidden])");
  field?.focus();
  return true;
}

const pressable = (key) => "uceshnfxtmg".includes(key) && press(key);

// A digit chooses what a case asks for and waits on the button: Enter keeps it. The button says what
// that does: an urgent case stays urgent, and the topic is kept beside it.
function sortAs(digit) {
  const fold = document.getElementById("sort");
  const choice = fold?.querySelector("select[name=route]");
  const option = choice?.options[(Number(digit) + 9) % 10];
  if (!option) return false;
  fold.open = true;
  choice.value = option.value;
  const form = fold.querySelector("form");
  const button = form.querySelector(".buttons button");
  const say = () => {
    const waits = form.querySelector("[name=urgency]:checked").value === "routine";
    const { alone, beside } = button.dataset;
    button.textContent = `${waits ? alone : beside}: ${choice.selectedOptions[0].text}`;
  };
  form.onchange = say;
  say();
  button.focus();
  return true;
}

// Ctrl+Enter sends the form the cursor is in, or the one of the fold it is on; elsewhere it
// approves what is on the screen.
function submit(target) {
  const folded = target.tagName === "SUMMARY" && target.parentElement.querySelector("form");
  const form = folded || (target.closest("form") ?? document.getElementById("approve"));
  const button = form?.querySelector("[data-submit]");
  if (button && !button.disabled) form.requestSubmit(button);
  return Boolean(button);
}

function onKey(event) {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
    // A key held down must not approve what nobody had time to read.
    if (!event.repeat && submit(event.target)) event.preventDefault();
    return;
  }
  if (event.ctrlKey || event.metaKey || event.altKey || typing(event.target)) return;
  if (localStorage.getItem(SWITCH) === "off" || document.querySelector("dialog[open]")) return;
  if (event.key === "j") step(1);
  else if (event.key === "k") step(-1);
  else if (event.key === "?") document.getElementById("help")?.showModal();
  else if (/^[0-9]$/.test(event.key) ? !sortAs(event.key) : !pressable(event.key)) return;
  event.preventDefault();
}

export function startShortcuts() {
  document.addEventListener("keydown", onKey);
  const box = document.getElementById("single-keys");
  if (!box) return;
  box.checked = localStorage.getItem(SWITCH) !== "off";
  box.addEventListener("change", () => localStorage.setItem(SWITCH, box.checked ? "on" : "off"));
}
