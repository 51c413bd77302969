// An open menu closes on Escape, which leaves the focus on its name, and on a press elsewhere.

const open = () => document.querySelector("details.menu[open]");

export function startMenu() {
  document.addEventListener("click", (event) => {
    const menu = open();
    if (menu && !menu.contains(event.target)) menu.open = false;
  });
  document.addEventListener("keydown", (event) => {
    const menu = open();
    if (event.key !== "Escape" || !menu) return;
    menu.open = false;
    menu.querySelector("summary").focus();
  });
}
