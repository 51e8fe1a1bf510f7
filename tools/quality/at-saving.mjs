/**
 * @typedef {object} Measured
 * @property {number} saved share of the dense layer MACs really saved while it was measured
 * @property {number} value
 */

/** How far beyond the outermost measurement a line is drawn on. */
const MOST_BEYOND = 0.01;

/**
 * A curve's value where exactly `target` is saved: on the straight line between the measurements beside it. What is held misses
 * the target by some tenths of a point, and at steep places those count.
 *
 * @param {number} target
 * @param {readonly Measured[]} measured in any order, the dense model (0) among them
 * @returns {number | undefined} undefined where the curve does not go so far
 */
export function atSaving(target, measured) {
  const sorted = [...measured].sort((a, b) => a.saved - b.saved);
  const above = sorted.findIndex(({ saved }) => saved >= target);
  const to = above === -1 ? sorted.length - 1 : above;
  const [left, right] = [sorted[to - 1], sorted[to]];
  if (right === undefined || left === undefined) return right && right.saved - target <= MOST_BEYOND ? right.value : undefined;
  if (above === -1 && target - right.saved > MOST_BEYOND) return undefined;
  if (right.saved === left.saved) return right.value;
  return left.value + ((target - left.saved) / (right.saved - left.saved)) * (right.value - left.value);
}
