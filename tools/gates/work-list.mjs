import { pointName } from '../quality/policies.mjs';
import { fileOf } from './read-config.mjs';

/** Shares of the dense layer MACs saved; 0: nothing skipped, what the adapter changes in the model is on. */
export const SAVINGS = [0, 0.05, 0.1, 0.15, 0.2, 0.25, 0.4, 0.5];
/** What the aims are about comes first. */
const FIRST = [0.15, 0, 0.25, 0.4];
export const PARTS = ['texts', 'own', 'anchors', 'tasks', 'speed'];

/**
 * @typedef {import('../quality/work-list.mjs').Piece & { file?: string, curves?: readonly { name: string }[] }} GatesPiece
 * `part` may be `anchors` too; `file` is the adapter; `curves` of a `speed` piece run in turns
 */

/**
 * Everything to be done. Within a part, points that the aims ask for come first; pieces of one adapter follow each other, as
 * each change of the adapter loads the model anew.
 *
 * @param {Pick<import('./read-config.mjs').GatesConfig, 'curves' | 'ours'>} config
 * @param {{ savings?: readonly number[], parts?: ReadonlySet<string> }} [wanted]
 * @returns {any[]}
 */
export function workList({ curves, ours }, { savings = SAVINGS, parts = new Set(PARTS) } = {}) {
  const waves = [savings.filter((saved) => FIRST.includes(saved)), savings.filter((saved) => !FIRST.includes(saved))];
  const points = waves.flatMap((wave) =>
    adaptersOf(curves, wave).flatMap(({ file, own }) => own.map(({ curve, saved }) => ({ file, curve: plain(curve), saved }))),
  );
  /** @param {string} part @param {object} [more] */
  const grid = (part, more) =>
    points.map(({ file, curve, saved }) => ({ part, name: `${part}-${pointName(curve, saved)}`, curve, saved, file, ...more }));
  const speeds = waves.flatMap((wave) =>
    adaptersOf(curves, wave).flatMap(({ file, own }) =>
      [...new Set(own.map(({ saved }) => saved))].map((saved) => {
        const turns = own.filter((each) => each.saved === saved).map(({ curve }) => plain(curve));
        return { part: 'speed', name: `speed-${pointName(/** @type {any} */ (turns[0]), saved)}`, saved, file, curves: turns };
      }),
    ),
  );
  const anchors = curves
    .filter(({ name, files, policy }) => (name === ours || policy === 'global-threshold') && files.any)
    .map((curve) => ({
      part: 'anchors',
      name: `anchors-${pointName(curve, ANCHOR_SAVING)}`,
      curve: plain(curve),
      saved: ANCHOR_SAVING,
      file: curve.files.any,
    }));
  return [
    { part: 'texts', name: 'texts-dense' },
    ...grid('texts'),
    { part: 'own', name: 'own-dense', hasPerplexity: true },
    ...grid('own', { hasPerplexity: true }),
    ...anchors,
    { part: 'tasks', name: 'tasks-dense' },
    ...grid('tasks'),
    ...speeds,
  ].filter(({ part }) => parts.has(part));
}

export const ANCHOR_SAVING = 0.25;

/** Adapter files with the points that are measured with them, in the order of the curves. @param {readonly import('./read-config.mjs').GatesCurve[]} curves @param {readonly number[]} savings */
function adaptersOf(curves, savings) {
  /** @type {Map<string, { curve: import('./read-config.mjs').GatesCurve, saved: number }[]>} */
  const files = new Map();
  const modes = new Set();
  for (const curve of curves) {
    for (const saved of savings) {
      const file = fileOf(curve, saved);
      if (file === undefined) continue;
      // Nothing skipped is the same under every policy.
      if (saved === 0 && modes.has(file)) continue;
      if (saved === 0) modes.add(file);
      files.set(file, [...(files.get(file) ?? []), { curve, saved }]);
    }
  }
  return [...files].map(([file, own]) => ({ file, own }));
}

/** What files of results say of a curve: no paths. @param {import('./read-config.mjs').GatesCurve} curve */
const plain = ({ name, policy, options }) => ({ name, policy, ...(options && { options }) });
