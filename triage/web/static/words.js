// The words the scripts show, in the language of the page: it brings them along where it is not in
// English. `%(name)s` in them is filled in here.

const brought = JSON.parse(document.body?.dataset.words ?? "{}");

export function word(english, values = {}) {
  const said = brought[english] ?? english;
  return said.replace(/%\((\w+)\)s/g, (_, name) => values[name]);
}
