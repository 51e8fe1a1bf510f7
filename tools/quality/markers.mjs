/**
 * Puts text between `<!-- NAME:begin -->` and `<!-- NAME:end -->`, and leaves everything else as it is.
 *
 * @param {string} document @param {string} name @param {string} text
 */
export function replaceBetween(document, name, text) {
  const [begin, end] = [`<!-- ${name}:begin -->`, `<!-- ${name}:end -->`];
  const from = document.indexOf(begin);
  const to = document.indexOf(end);
  if (from === -1 || to < from) throw new Error(`There is no ${begin} with ${end} after it. Put both lines where the text shall stand.`);
  return `${document.slice(0, from + begin.length)}\n${text.trim()}\n${document.slice(to)}`;
}
