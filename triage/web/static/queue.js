// Keeps an open queue fresh without moving what a person reads: what can wait is collected behind
// a button, what cannot comes in at once.
import { hear } from "./live.js";
import { merge, replace } from "./rows.js";
import { chime } from "./urgent.js";
import { word } from "./words.js";

// Rows that do not come within this long, or come broken, are asked for again after a while.
const PATIENCE = 15000;
const AGAIN = 4000;

export function startQueue() {
  const rows = document.getElementById("rows");
  if (!rows) return;
  const words = document.getElementById("live").dataset;
  const fresh = document.getElementById("fresh");
  const title = document.title.replace(/^\(\d+ [^)]+\) /, "");
  const quiet = rows.dataset.quiet === "yes";
  let announces = rows.dataset.announces === "yes";
  // The version that is shown or waits behind the button, and the rows that wait.
  let known = rows.dataset.version;
  let next = null;
  // Versions the desk told of, each of them once, since whose telling no rows have come.
  const owed = new Set();
  let busy = false;
  let later = 0;
  let told = 0;

  async function take(news) {
    writeCounts(news.counts);
    writeForMe(news.for_me);
    writeBanners(news.banners);
    announces = news.announces;
    const urgent = news.counts.urgent;
    document.title = urgent ? `(${urgent} ${word("urgent")}) ${title}` : title;
    if (news.views) writeViews(news.views);
    if (news.version === known) return;
    owed.add(news.version);
    // The line speaks to everybody; how full one's own views are is asked for.
    if (!news.views) ask();
    await renew();
  }

  // Goes on until rows came that were asked for after the last news, whatever fails in between.
  async function renew() {
    if (busy) return;
    busy = true;
    clearTimeout(later);
    try {
      while (owed.size) {
        const before = [...owed];
        await load();
        [...before, known].forEach((version) => owed.delete(version));
      }
    } catch {
      later = setTimeout(renew, AGAIN);
    } finally {
      busy = false;
    }
  }

  async function load() {
    const asked = new URLSearchParams(rows.dataset.part);
    asked.set("start", rows.dataset.start);
    // A desk that is stopped takes the question and never answers.
    const answer = await fetch(`/queue/rows?${asked}`, { signal: AbortSignal.timeout(PATIENCE) });
    if (!answer.ok) throw new Error(answer.status);
    const parsed = document.createElement("template");
    parsed.innerHTML = await answer.text();
    // What is no queue, such as the page to sign in on, fails here and is never shown as rows.
    const list = parsed.content.querySelector("[data-version]");
    known = list.dataset.version;
    next = parsed.content;
    const passing = document.getElementById("passing");
    if (passing) passing.textContent = list.dataset.passing;
    const none = !rows.querySelector("li[data-case]");
    if (none || (!quiet && announces && !inUse())) {
      const came = show();
      if (!quiet && announces && came.length) chime();
      return;
    }
    const first = rows.dataset.start === "0";
    offer(merge(rows, next, { full: Number(rows.dataset.page), first, gone: words.gone }));
  }

  const inUse = () =>
    document.hidden || rows.contains(document.activeElement) || rows.matches(":hover");

  function offer({ alarming, calm, changed }) {
    alarming.forEach(callOut);
    if (!changed) return fresh.replaceChildren();
    const text = !announces ? words.show : calm ? words.new.replace("{n}", calm) : words.changed;
    if (!quiet && announces && calm > told) chime();
    told = calm;
    if (fresh.textContent === text) return;
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = text;
    button.className = "main";
    button.dataset.key = "n";
    button.addEventListener("click", () => {
      const came = show();
      came[0]?.querySelector("a.open").focus({ preventScroll: true });
    });
    fresh.replaceChildren(button);
  }

  function show() {
    const came = replace(rows, next);
    fresh.replaceChildren();
    document.getElementById("urgent-now").replaceChildren();
    told = 0;
    return came;
  }

  const ask = hear(take);
}

// One line above everything, wherever the page was scrolled to.
function callOut(row) {
  const place = document.getElementById("urgent-now");
  const link = row.querySelector("a.open");
  if (place.querySelector(`a[href="${link.getAttribute("href")}"]`)) return;
  const line = document.createElement("li");
  const copy = document.createElement("a");
  copy.href = link.getAttribute("href");
  const sign = row.querySelector(".sign");
  const who = row.querySelector(".patient");
  copy.textContent = `${link.textContent}${who ? ` · ${who.textContent}` : ""}`;
  if (sign) line.append(sign.cloneNode(true), " ");
  line.append(copy);
  place.prepend(line);
}

const total = (counts) => Object.values(counts).reduce((sum, count) => sum + count, 0);

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
    const sign = document.createElement("strong");
    sign.textContent = told[index].slice(0, told[index].indexOf(":") + 1);
    line.append(sign, ` ${text}`);
    place.insertBefore(line, document.getElementById("stale"));
  });
}

function writeForMe(count) {
  for (const place of document.querySelectorAll("[data-for-me]")) {
    place.textContent = count;
    place.hidden = !count;
  }
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
