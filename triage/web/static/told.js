// An outcome that needs words asks for them on the page, before the form leaves.

export function startTold() {
  document.addEventListener("change", ({ target }) => target.name === "outcome" && ask(target));
  document.querySelectorAll("select[name=outcome]").forEach(ask);
}

function ask(chosen) {
  const needs = (chosen.selectedOptions?.[0] ?? chosen).dataset.needs ?? "";
  for (const place of chosen.form.querySelectorAll("[data-told]")) {
    place.required = needs.split(" ").includes(place.dataset.told);
  }
}
