import { curves, pointName, SAVINGS, VARIANT_SAVINGS, variants } from './policies.mjs';

/**
 * One piece of work, with a file of its own.
 *
 * @typedef {object} Piece
 * @property {'texts' | 'own' | 'tasks' | 'speed'} part
 * @property {string} name of its file, without `.json`
 * @property {import('./policies.mjs').Curve} [curve] none: dense; `speed` has all curves at once
 * @property {number} [saved] share of the dense layer MACs
 * @property {boolean} [hasPerplexity] whether `own` has it too
 */

/**
 * Everything to be done, the cheapest and most telling first: what is there when a run is cut short shall be a report.
 *
 * @param {{ curves?: readonly import('./policies.mjs').Curve[], variants?: readonly import('./policies.mjs').Curve[],
 *   savings?: readonly number[], parts?: ReadonlySet<string> }} [wanted]
 * @returns {Piece[]}
 */
export function workList(wanted = {}) {
  const { savings = SAVINGS, parts = new Set(['texts', 'own', 'tasks', 'speed']) } = wanted;
  const own = wanted.curves ?? curves;
  /** @type {(part: Piece['part'], columns: readonly number[], rows: readonly import('./policies.mjs').Curve[]) => Piece[]} */
  const grid = (part, columns, rows) =>
    columns.flatMap((saved) => rows.map((curve) => ({ part, name: `${part}-${pointName(curve, saved)}`, curve, saved })));
  const others = grid(
    'texts',
    savings.filter((saved) => VARIANT_SAVINGS.includes(saved)),
    wanted.variants ?? variants,
  );
  const columns = savings.flatMap((saved) => [
    ...grid('tasks', [saved], own),
    /** @type {Piece} */ ({ part: 'speed', name: `speed-${Math.round(1000 * saved) / 10}`, saved }),
  ]);
  /** @type {Piece[]} */
  const all = [
    { part: 'texts', name: 'texts-dense' },
    ...grid('texts', savings, own),
    ...others,
    ...grid('own', savings, own),
    { part: 'tasks', name: 'tasks-dense' },
    ...columns,
  ];
  return all.filter(({ part }) => parts.has(part));
}
