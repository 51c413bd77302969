// Hears what is new on the queue: over one open line while the page is looked at, and by asking
// every few seconds where the line breaks or the page lies behind others.

const EVERY = 4000;
const PATIENCE = 15000;
// After this long without an answer the page says that it may be old.
const STALE = 120000;
// The desk says at least every 15 seconds that it is there; a line silent for longer is broken.
const SILENT = 25000;
// A line the desk refused is tried again after this long.
const AGAIN = 60000;

export function hear(take) {
  const place = document.getElementById("heard");
  const stale = document.getElementById("stale");
  let line = null;
  let refused = 0;
  let overLine = 0;
  let answered = Date.now();
  let said = "";
  let broke = false;

  const listening = () => line !== null && Date.now() - overLine < SILENT;

  function open() {
    if (line || document.hidden || Date.now() - refused < AGAIN) return;
    line = new EventSource("/queue/stream");
    line.addEventListener("news", (event) => heard(JSON.parse(event.data)));
    line.addEventListener("beat", () => heard());
    line.addEventListener("end", () => window.location.assign("/log-in"));
    line.addEventListener("error", () => {
      // The browser comes back by itself unless it was refused; until then the page asks.
      overLine = 0;
      broke = true;
      if (line?.readyState === EventSource.CLOSED) {
        refused = Date.now();
        shut();
      }
      ask();
    });
  }

  function shut() {
    line?.close();
    line = null;
  }

  function heard(news) {
    overLine = answered = Date.now();
    if (news) take(news);
    tellAge();
  }

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
      // The lines below tell the person once it has lasted.
    }
    tellAge();
  }

  // Looks at the clock by itself: whoever waits for an answer would never say that none came.
  function tellAge() {
    const silent = Date.now() - answered;
    stale.hidden = silent < STALE;
    document.body.classList.toggle("old", silent >= STALE);
    const way = silent >= SILENT ? "nothing" : listening() ? "line" : "asking";
    if (way === said) return;
    // A page that was just opened has not had the time to hear anything.
    if (way === "asking" && !said && !broke) return;
    place.textContent = place.dataset[way];
    said = way;
  }

  document.addEventListener("visibilitychange", () => {
    if (document.hidden) return shut();
    open();
    ask();
  });
  // A browser keeps six lines to a desk: a page that is left gives its own back at once.
  window.addEventListener("pagehide", shut);
  window.addEventListener("pageshow", open);
  setInterval(() => {
    open();
    if (!listening()) ask();
  }, EVERY);
  setInterval(tellAge, 1000);
  open();
  return ask;
}
