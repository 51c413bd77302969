// Tells every open page of urgent messages nobody has acted on: a line on top that stays, and a
// sound once the person has allowed it. No quiet mode silences either; only acting does.

import { hold } from "./hold.js";
import { word } from "./words.js";

const EVERY = 4000;
const PATIENCE = 15000;
// After this long without an answer the page says that it hears of nothing.
const LOST = 120000;
// While somebody has to act the sound comes back this often, in milliseconds.
const AGAIN = 60000;
const ALLOWED = "urgent-sound";
// A browser that lets this page sound says so within this long, in milliseconds.
const WAKING = 600;

let audio = null;
let heard = "";
let last = 0;
let answered = Date.now();
let deaf = false;
let begun = false;
// Whether the browser had its time: until then nobody is told that no sound comes.
let waited = false;

const allowed = () => localStorage.getItem(ALLOWED) === "on";
const sounding = () => audio?.state === "running";

export function startUrgent() {
  const line = document.getElementById("urgent");
  if (!line) return;
  const button = document.getElementById("urgent-sound");
  button.addEventListener("click", () => {
    // Pressed for the sound that waits: that is not switching it off.
    const on = !allowed() || !sounding();
    localStorage.setItem(ALLOWED, on ? "on" : "off");
    showSound();
    if (on) wake().then(() => ring(1));
  });
  // Many a browser lets a page sound only after the person did something on it; one that knows
  // them from the page before lets it at once.
  wake();
  for (const kind of ["pointerdown", "keydown"]) {
    document.addEventListener(kind, ({ target }) => target !== button && wake());
  }
  showSound();
  setTimeout(() => {
    waited = true;
    showSound();
  }, WAKING);
  ask(line);
  setInterval(() => ask(line), EVERY);
  // By itself: whoever waits for an answer would never say that none came.
  setInterval(() => Date.now() - answered >= LOST && hearNothing(word("No answer")), 1000);
}

// "On" is said only while a ring would be heard; where it waits for a press, the page says so.
function showSound() {
  const button = document.getElementById("urgent-sound");
  const silent = allowed() && !sounding() && waited;
  const on = allowed() ? word("Sound is on") : word("Allow sound");
  button.textContent = silent ? word("Press once for sound") : on;
  button.setAttribute("aria-pressed", String(allowed() && !silent));
  document.getElementById("soundless").hidden = !silent;
}

async function ask(line) {
  try {
    const signal = AbortSignal.timeout(PATIENCE);
    const answer = await fetch("/urgent", { headers: { Accept: "application/json" }, signal });
    if (answer.status === 401) return hearNothing(word("Signed out"));
    if (!answer.ok) return;
    const news = await answer.json();
    answered = Date.now();
    deaf = false;
    document.getElementById("deaf").hidden = true;
    tell(line, news);
  } catch {
    // The line stays as it is; after a while the page says that it hears of nothing.
  }
}

// Nobody sees an urgent message on this page any more: a red line, and one ring.
function hearNothing(why) {
  const place = document.getElementById("deaf");
  const words = word("%(why)s: urgent messages are not shown here.", { why });
  const says = place.querySelector("span");
  if (says.textContent !== words) says.textContent = words;
  place.hidden = false;
  if (deaf) return;
  deaf = true;
  if (allowed()) ring(1);
}

function tell(line, news) {
  // The line stands above everything: what is read stays where it is. Nobody reads a page yet
  // that has only just been opened.
  const change = () => (line.hidden = !news.waiting);
  if (begun) hold(change);
  else change();
  begun = true;
  if (!news.waiting) {
    heard = "";
    return;
  }
  const words = line.querySelector("a");
  const what =
    news.waiting === 1
      ? word("1 urgent message waits for somebody to act")
      : word("%(count)s urgent messages wait for somebody to act", { count: news.waiting });
  const long = news.minutes ? word(", the longest for %(count)s min", { count: news.minutes }) : "";
  const text = `${what}${long}.`;
  if (words.textContent !== text) words.textContent = text;
  const due = news.news !== heard || Date.now() - last >= AGAIN;
  // What nobody could hear is not told yet: it rings as soon as it can.
  if (due && allowed() && sounding()) {
    heard = news.news;
    last = Date.now();
    ring(3);
  }
}

async function wake() {
  if (!allowed() || sounding()) return;
  try {
    audio ??= new AudioContext();
    audio.onstatechange = showSound;
    await audio.resume();
  } catch {
    // No sound here at all: the page goes on saying that none comes.
  }
  showSound();
}

// Short tones, two notes apart: heard through a conversation, gone before it disturbs one.
function ring(times) {
  if (!sounding()) return;
  document.body.dataset.rang = String(Number(document.body.dataset.rang ?? 0) + 1);
  for (let at = 0; at < times * 2; at += 1) {
    const start = audio.currentTime + at * 0.22;
    const tone = audio.createOscillator();
    const loud = audio.createGain();
    tone.frequency.value = at % 2 ? 660 : 880;
    loud.gain.setValueAtTime(0.0001, start);
    loud.gain.exponentialRampToValueAtTime(0.25, start + 0.02);
    loud.gain.exponentialRampToValueAtTime(0.0001, start + 0.2);
    tone.connect(loud).connect(audio.destination);
    tone.start(start);
    tone.stop(start + 0.21);
  }
}

// One low tone for what can wait, for whoever wants to hear of that, too.
export function chime() {
  if (!sounding()) return;
  document.body.dataset.chimed = String(Number(document.body.dataset.chimed ?? 0) + 1);
  const tone = audio.createOscillator();
  const loud = audio.createGain();
  const start = audio.currentTime;
  tone.frequency.value = 392;
  loud.gain.setValueAtTime(0.06, start);
  loud.gain.exponentialRampToValueAtTime(0.0001, start + 0.25);
  tone.connect(loud).connect(audio.destination);
  tone.start(start);
  tone.stop(start + 0.26);
}
