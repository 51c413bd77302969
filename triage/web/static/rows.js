// The rows of an open queue: what is read stays where it is. Urgent rows come in at once, above;
// the rest is collected until the person asks for it.
import { hold } from "./hold.js";
import { tellTimes } from "./times.js";

const urgent = (row) => row.matches(".emergency, .today");
const named = (rows) => new Map(rows.map((row) => [row.dataset.case, row]));
const rowsOf = (place) => [...place.querySelectorAll("li[data-case]")];

// Where a case changed, its row says so, as long as it stays as high as it was.
function freshen(row, now) {
  for (const part of [".how", ".where", ".when"]) {
    const [old, next] = [row.querySelector(part), now.querySelector(part)];
    if (old.innerHTML === next.innerHTML || old.dataset.from === next.innerHTML) continue;
    const [before, words] = [row.offsetHeight, old.innerHTML];
    old.dataset.from = next.innerHTML;
    old.innerHTML = next.innerHTML;
    tellTimes(old);
    if (row.offsetHeight !== before) old.innerHTML = words;
  }
  row.classList.toggle("emergency", now.matches(".emergency"));
  row.classList.toggle("today", now.matches(".today"));
}

function leave(row, words) {
  const place = row.querySelector(".when");
  const before = row.offsetHeight;
  const kept = [...place.childNodes];
  const says = document.createElement("span");
  says.className = "held";
  says.textContent = words;
  place.replaceChildren(says);
  if (row.offsetHeight !== before) place.replaceChildren(...kept);
  row.classList.add("left");
}

// Puts a row before the next one that is shown already, above what is read.
function comeIn(list, row, order) {
  const shown = named(rowsOf(list));
  const after = order.slice(order.indexOf(row) + 1).find((one) => shown.has(one.dataset.case));
  const copy = row.cloneNode(true);
  tellTimes(copy);
  hold(() => list.insertBefore(copy, after ? shown.get(after.dataset.case) : null));
}

// Compares what is shown with what there is now; returns what a person should be told.
export function merge(place, fresh, { full, first, gone }) {
  const list = place.querySelector("ol.rows");
  const order = rowsOf(fresh);
  const now = named(order);
  const shown = named(rowsOf(list));
  const alarming = order.filter(
    (row) => urgent(row) && !(shown.has(row.dataset.case) && urgent(shown.get(row.dataset.case))),
  );
  // On a full page rows from further down move up when others leave: those are not new.
  const last = order.findLastIndex((row) => shown.has(row.dataset.case));
  const calm = order.filter(
    (row, at) =>
      !urgent(row) && !shown.has(row.dataset.case) && (order.length < full || at < last),
  );
  for (const [name, row] of shown) {
    if (now.has(name)) freshen(row, now.get(name));
    else if (order.length < full) leave(row, gone);
  }
  for (const row of alarming) {
    if (!shown.has(row.dataset.case)) comeIn(list, row, order);
  }
  const still = rowsOf(list).map((row) => row.dataset.case);
  const changed = still.join() !== order.map((row) => row.dataset.case).join();
  return { alarming, calm: first ? calm.length : 0, changed };
}

// Shows everything as it is now; whoever was in a row stays in it.
export function replace(place, fresh) {
  const within = document.activeElement?.closest("li[data-case]")?.dataset.case;
  const shown = named(rowsOf(place));
  place.replaceChildren(...fresh.childNodes);
  tellTimes(place);
  const rows = rowsOf(place);
  const kept = rows.find((row) => row.dataset.case === within);
  kept?.querySelector("a.open").focus({ preventScroll: true });
  return rows.filter((row) => !shown.has(row.dataset.case));
}
