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

let audio = null;
let heard = "";
let last = 0;
let answered = Date.now();
let deaf = false;
let begun = false;

export function startUrgent() {
  const line = document.getElementById("urgent");
  if (!line) return;
  const button = document.getElementById("urgent-sound");
  showButton(button);
  button.addEventListener("click", () => {
    const on = localStorage.getItem(ALLOWED) !== "on";
    localStorage.setItem(ALLOWED, on ? "on" : "off");
    showButton(button);
    if (on) wake().then(() => ring(1));
  });
  // A browser lets a page sound only after the person did something on it.
  for (const kind of ["pointerdown", "keydown"]) document.addEventListener(kind, wake);
  ask(line);
  setInterval(() => ask(line), EVERY);
  // By itself: whoever waits for an answer would never say that none came.
  setInterval(() => Date.now() - answered >= LOST && hearNothing(word("No answer")), 1000);
}

function showButton(button) {
  const on = localStorage.getItem(ALLOWED) === "on";
  button.textContent = on ? word("Sound is on") : word("Allow sound");
  button.setAttribute("aria-pressed", String(on));
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
  if (localStorage.getItem(ALLOWED) === "on") ring(1);
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
  if (due && localStorage.getItem(ALLOWED) === "on") {
    heard = news.news;
    last = Date.now();
    ring(3);
  }
}

async function wake() {
  if (localStorage.getItem(ALLOWED) !== "on") return;
  audio ??= new AudioContext();
  if (audio.state === "suspended") await audio.resume();
}

// Short tones, two notes apart: heard through a conversation, gone before it disturbs one.
function ring(times) {
  document.body.dataset.rang = String(Number(document.body.dataset.rang ?? 0) + 1);
  if (!audio || audio.state !== "running") return;
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
  document.body.dataset.chimed = String(Number(document.body.dataset.chimed ?? 0) + 1);
  if (!audio || audio.state !== "running") return;
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
