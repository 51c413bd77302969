// Copies an identifier when its button is pressed; nothing is kept here.

async function copy(button) {
  const target = document.getElementById(button.dataset.copy);
  const text = target.textContent.trim();
  try {
    await navigator.clipboard.writeText(text);
    button.textContent = "Copied";
  } catch {
    // Without leave to write, the words are marked: the usual keys copy them.
    getSelection().selectAllChildren(target);
    button.textContent = "Press Ctrl C";
  }
  setTimeout(() => {
    button.textContent = "Copy";
  }, 2000);
}

export function startCopying() {
  for (const button of document.querySelectorAll("[data-copy]")) {
    button.hidden = false;
    button.addEventListener("click", () => copy(button));
  }
}
