import { markdownTable, percent } from '../quality/tables.mjs';

/**
 * What gates keep open, by class of token and by layer, over the branches that may skip at all.
 *
 * @param {any} file of `measureAnchors`
 * @param {(text: string, position: number) => string} tokenClass of `observe`
 */
export function anchorsOf({ piece, protectedBranches, texts }, tokenClass) {
  const isProtected = new Set(protectedBranches);
  /** @type {Map<string, { tokens: number, kept: number[], cells: number[] }>} */
  const classes = new Map();
  const branches = texts[0].branches;
  const layers = Array.from({ length: branches / 2 }, () => ({ kept: [0, 0], cells: [0, 0] }));
  const all = { kept: [0, 0], cells: [0, 0] };
  for (const { texts: tokens, kept } of texts) {
    if (kept.length !== tokens.length * branches)
      throw new Error(`${kept.length} cells for ${tokens.length} tokens of ${branches} branches.`);
    for (const [position, text] of tokens.entries()) {
      const name = tokenClass(text, position);
      const own = classes.get(name) ?? { tokens: 0, kept: [0, 0], cells: [0, 0] };
      classes.set(name, own);
      own.tokens += 1;
      for (let branch = 0; branch < branches; branch++) {
        if (isProtected.has(branch)) continue;
        const isKept = kept[position * branches + branch] === '1' ? 1 : 0;
        const kind = branch % 2;
        for (const sums of [own, layers[branch >> 1], all]) {
          /** @type {any} */ (sums).kept[kind] += isKept;
          /** @type {any} */ (sums).cells[kind] += 1;
        }
      }
    }
  }
  const share = (/** @type {any} */ { kept, cells }) => {
    const of = (/** @type {number} */ up, /** @type {number} */ down) => (down === 0 ? null : up / down);
    return { kept: of(kept[0] + kept[1], cells[0] + cells[1]), attention: of(kept[0], cells[0]), mlp: of(kept[1], cells[1]) };
  };
  return {
    curve: piece.curve.name,
    saved: piece.saved,
    file: piece.name,
    tokens: texts.reduce((/** @type {number} */ sum, /** @type {any} */ each) => sum + each.texts.length, 0),
    all: share(all),
    classes: [...classes].map(([name, own]) => ({ class: name, tokens: own.tokens, ...share(own) })),
    layers: layers.map((own, layer) => ({ layer, ...share(own) })),
  };
}

const NAMES = /** @type {Record<string, string>} */ ({
  first: 'first token',
  punctuation: 'punctuation',
  'word start': "words' first pieces",
  'word part': 'continuation pieces',
  number: 'digits',
  whitespace: 'white space',
});
const cell = (/** @type {number | null} */ value) => (value === null ? '' : percent(value));

/** @param {readonly any[]} anchors @param {string} first curve that comes first */
export function anchorsTable(anchors, first) {
  if (anchors.length === 0) return 'Not measured yet.';
  return [...anchors]
    .sort((a, b) => Number(b.curve === first) - Number(a.curve === first))
    .map(({ curve, saved, tokens, all, classes, layers }) => {
      const order = Object.keys(NAMES);
      const place = (/** @type {any} */ { class: name }) => (order.includes(name) ? order.indexOf(name) : order.length);
      const rows = classes
        .toSorted((/** @type {any} */ a, /** @type {any} */ b) => place(a) - place(b))
        .map((/** @type {any} */ own) => [
          NAMES[own.class] ?? own.class,
          String(own.tokens),
          cell(own.kept),
          cell(own.attention),
          cell(own.mlp),
        ]);
      rows.push(['all', String(tokens), cell(all.kept), cell(all.attention), cell(all.mlp)]);
      const table = markdownTable(['token', 'tokens', 'branches kept', 'attention', 'MLP'], rows);
      return `**${curve}**, ${percent(saved)} asked\n\n${table}\n\n${anchorsVerdict({ all, classes })} ${layersLine(layers)}`;
    })
    .join('\n\n');
}

/** The paper's observation, judged by the numbers. @param {{ all: any, classes: readonly any[] }} anchors */
export function anchorsVerdict({ all, classes }) {
  const kept = (/** @type {string} */ name) => classes.find((own) => own.class === name)?.kept;
  const judge = (/** @type {string} */ name, /** @type {string} */ words) => {
    const own = kept(name);
    if (own === undefined || own === null) return '';
    const points = 100 * (own - all.kept);
    const verdict = points > 5 ? 'more open than the mean' : points < -5 ? 'less open than the mean' : 'about as open as the mean';
    return `${words}: ${verdict} (${points >= 0 ? '+' : ''}${points.toFixed(1)} points).`;
  };
  return [judge('first', 'First token'), judge('punctuation', 'Punctuation')].filter(Boolean).join(' ');
}

/** @param {readonly any[]} layers */
function layersLine(layers) {
  const free = layers.filter(({ kept }) => kept !== null);
  const sorted = free.toSorted((a, b) => b.kept - a.kept);
  const words = (/** @type {readonly any[]} */ some) => some.map(({ layer, kept }) => `${layer} (${percent(kept)})`).join(', ');
  return `Layers most open: ${words(sorted.slice(0, 4))}; least: ${words(sorted.slice(-4).reverse())}.`;
}
