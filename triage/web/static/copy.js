// Copies an identifier when its button is pressed; nothing is kept here.

import { word } from "./words.js";

async function copy(button) {
  const target = document.getElementById(button.dataset.copy);
  const text = target.textContent.trim();
  try {
    await navigator.clipboard.writeText(text);
    button.textContent = word("Copied");
  } catch {
    // Without leave to write, the words are marked: the usual keys copy them.
    getSelection().selectAllChildren(target);
    button.textContent = word("Press Ctrl C");
  }
  setTimeout(() => {
    button.textContent = word("Copy");
  }, 2000);
}

export function startCopying() {
  for (const button of document.querySelectorAll("[data-copy]")) {
    button.hidden = false;
    button.addEventListener("click", () => copy(button));
  }
}
