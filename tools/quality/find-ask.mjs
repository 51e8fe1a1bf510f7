/**
 * @typedef {object} Found
 * @property {number} ask what to ask for
 * @property {number} held what that gave
 * @property {number} probes
 */

/** Policies do not all go further than this. */
const MOST = 0.95;

/**
 * Looks for what a policy must be asked for so that it really saves `target`: thresholds stand still in a scored text, so what
 * is held drifts with the text. False position from (0, 0), or proportion while all probes fell short.
 *
 * @param {number} target share saved
 * @param {(ask: number) => Promise<number | undefined>} measure what is saved where `ask` is asked for; undefined: out of reach
 * @param {{ tolerance?: number, mostProbes?: number }} [options]
 * @returns {Promise<Found | undefined>} the nearest; undefined where nothing was in reach
 */
export async function findAsk(target, measure, { tolerance = 0.0025, mostProbes = 6 } = {}) {
  let low = { ask: 0, held: 0 };
  /** @type {{ ask: number, held: number } | undefined} */
  let high;
  let ceiling = MOST;
  /** @type {{ ask: number, held: number } | undefined} */
  let best;
  let ask = target;
  let probes = 0;
  while (probes < mostProbes) {
    probes += 1;
    const held = await measure(ask);
    if (held === undefined) {
      ceiling = ask;
      ask = (low.ask + ceiling) / 2;
      continue;
    }
    if (best === undefined || Math.abs(held - target) < Math.abs(best.held - target)) best = { ask, held };
    if (Math.abs(held - target) <= tolerance) break;
    if (held < target) low = { ask, held };
    else high = { ask, held };
    const next = nextAsk(target, low, high, ceiling);
    if (Math.abs(next - ask) < 1e-4) break;
    ask = next;
  }
  return best && { ...best, probes };
}

/**
 * @param {number} target
 * @param {{ ask: number, held: number }} low
 * @param {{ ask: number, held: number } | undefined} high
 * @param {number} ceiling
 */
function nextAsk(target, low, high, ceiling) {
  if (high === undefined) {
    const proportional = low.held > 0 ? (low.ask * target) / low.held : 2 * low.ask;
    return Math.min(proportional, 2 * low.ask, (low.ask + ceiling) / 2);
  }
  // Kept off the ends, where false position may stick.
  const share = Math.min(0.9, Math.max(0.1, (target - low.held) / (high.held - low.held)));
  return low.ask + share * (high.ask - low.ask);
}
