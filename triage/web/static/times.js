// Tells moments in the time of the person's own clock, and counts down to what cannot be undone.

// The form of dates is that of the page, so that words and dates agree.
const form = document.documentElement.lang === "en" ? undefined : document.documentElement.lang;
const near = { hour: "2-digit", minute: "2-digit" };
const far = { ...near, year: "numeric", month: "short", day: "numeric" };

export function tellTimes(root) {
  for (const place of root.querySelectorAll("time[datetime]")) {
    const moment = new Date(place.dateTime);
    const today = moment.toDateString() === new Date().toDateString();
    const words = new Intl.DateTimeFormat(form, today ? near : far).format(moment);
    if ("keep" in place.dataset) place.title = words;
    else place.textContent = words;
  }
}

function countDown() {
  for (const place of document.querySelectorAll("[data-countdown]")) {
    const left = Math.max(0, Number(place.dataset.countdown) - 1);
    place.dataset.countdown = left;
    place.textContent = left;
    if (!left) place.closest(".state")?.querySelector("form")?.remove();
  }
}

export function startTimes() {
  tellTimes(document);
  document.body.addEventListener("htmx:afterSwap", (event) => tellTimes(event.target));
  setInterval(countDown, 1000);
}
