// Keeps an open queue fresh without moving anything under the cursor: rows change only while
// nobody points at them or has the keyboard in them; until then a line says what is new.
import { tellTimes } from "./times.js";
import { word } from "./words.js";

const EVERY = 4000;
// After this long without an answer the page says that it may be old.
const STALE = 120000;
const PATIENCE = 15000;

export function startQueue() {
  const rows = document.getElementById("rows");
  if (!rows) return;
  const fresh = document.getElementById("fresh");
  const stale = document.getElementById("stale");
  const title = document.title.replace(/^\(\d+ [^)]+\) /, "");
  let shown = rows.dataset.version;
  let counts = readCounts();
  let seen = { ...counts };
  let answered = Date.now();

  async function ask() {
    try {
      // A desk that is stopped keeps the line open and never answers.
      const signal = AbortSignal.timeout(PATIENCE);
      const headers = { Accept: "application/json" };
      const answer = await fetch("/queue/version", { headers, signal });
      if (answer.status === 401) return window.location.assign("/log-in");
      if (!answer.ok) throw new Error(answer.status);
      answered = Date.now();
      await take(await answer.json());
    } catch {
      // The line below tells the person once it has lasted.
    }
    tellAge();
  }

  // Looks at the clock by itself: whoever waits for an answer would never say that none came.
  function tellAge() {
    const old = Date.now() - answered >= STALE;
    stale.hidden = !old;
    document.body.classList.toggle("old", old);
  }

  async function take(news) {
    counts = news.counts;
    writeCounts(counts);
    writeViews(news.views);
    writeBanners(news.banners);
    document.title = counts.urgent ? `(${counts.urgent} ${word("urgent")}) ${title}` : title;
    if (news.version === shown) return;
    if (inUse()) offer();
    else await swap();
  }

  const inUse = () =>
    document.hidden || rows.contains(document.activeElement) || rows.matches(":hover");

  function offer() {
    const urgent = Math.max(0, counts.urgent - seen.urgent);
    const more = Math.max(0, total(counts) - total(seen));
    const words = more ? word("%(count)s new", { count: more }) : word("The queue changed");
    const text = urgent ? `${words}, ${urgent} ${word("urgent")}` : words;
    if (fresh.textContent === text) return;
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = text;
    button.className = urgent ? "warn" : "main";
    button.addEventListener("click", swap);
    fresh.replaceChildren(button);
  }

  async function swap() {
    const asked = new URLSearchParams({ start: rows.dataset.start });
    if (rows.dataset.lane) asked.set("lane", rows.dataset.lane);
    if (rows.dataset.view) asked.set("view", rows.dataset.view);
    const answer = await fetch(`/queue/rows?${asked}`);
    if (!answer.ok) return;
    rows.innerHTML = await answer.text();
    shown = rows.querySelector("[data-version]").dataset.version;
    seen = { ...counts };
    fresh.replaceChildren();
    tellTimes(rows);
  }

  document.addEventListener("visibilitychange", () => document.hidden || ask());
  setInterval(ask, EVERY);
  setInterval(tellAge, 1000);
}

const total = (counts) => Object.values(counts).reduce((sum, count) => sum + count, 0);

function readCounts() {
  const found = [...document.querySelectorAll("[data-count]")];
  const pairs = found.map((place) => [place.dataset.count, Number(place.textContent)]);
  return Object.fromEntries(pairs.filter(([lane]) => lane !== "all"));
}

// A model that fails while the page lies open is said on it; lines that stay are left alone, so
// that a screen reader does not say them again.
function writeBanners(banners) {
  const place = document.querySelector(".banners");
  const shown = [...place.querySelectorAll("[data-banner]")];
  const told = banners.map(({ level, text }) => `${level === "alarm" ? word("Alarm") : word("Note")}: ${text}`);
  if (told.join("\n") === shown.map((line) => line.textContent).join("\n")) return;
  shown.forEach((line) => told.includes(line.textContent) || line.remove());
  const kept = shown.map((line) => line.textContent);
  banners.forEach(({ level, text }, index) => {
    if (kept.includes(told[index])) return;
    const line = document.createElement("p");
    line.className = `banner ${level === "alarm" ? "alarm" : "warning"}`;
    line.dataset.banner = "";
    const word = document.createElement("strong");
    word.textContent = told[index].slice(0, told[index].indexOf(":") + 1);
    line.append(word, ` ${text}`);
    place.insertBefore(line, document.getElementById("stale"));
  });
}

function writeViews(views) {
  for (const place of document.querySelectorAll("b[data-view]")) {
    place.textContent = views[place.dataset.view] ?? 0;
  }
}

function writeCounts(counts) {
  for (const place of document.querySelectorAll("[data-count]")) {
    const lane = place.dataset.count;
    place.textContent = lane === "all" ? total(counts) : counts[lane];
    place.parentElement.classList.toggle("some", counts[lane] > 0);
  }
}
