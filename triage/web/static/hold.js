// Lets something come in above what a person reads, and scrolls by as much, so that it stays.

export function hold(change, anchor = whatIsRead()) {
  const before = anchor?.getBoundingClientRect().top;
  change();
  if (!anchor?.isConnected) return;
  const moved = anchor.getBoundingClientRect().top - before;
  if (!moved) return;
  const page = document.documentElement;
  const room = page.scrollHeight - window.innerHeight - window.scrollY;
  // A page shorter than its window cannot scroll until it is made longer.
  if (moved > room) {
    const foot = document.getElementById("main");
    const has = parseFloat(getComputedStyle(foot).paddingBottom);
    foot.style.paddingBottom = `${Math.ceil(has + moved - room)}px`;
  }
  window.scrollBy({ top: moved, behavior: "instant" });
}

// What the pointer is on, else what the keyboard is in, else what stands first in the window.
export function whatIsRead() {
  const main = document.getElementById("main");
  const parts = [...main.querySelectorAll("li.row, article, .card, form, section > *")];
  const focused = main.contains(document.activeElement) && document.activeElement !== main;
  return (
    main.querySelector("li.row:hover") ??
    (focused ? document.activeElement : null) ??
    parts.find((part) => part.getBoundingClientRect().bottom > window.innerHeight / 3) ??
    main
  );
}
