import type { GateSet } from '@gateskip/gate';
import type { Pacer } from '../progress.js';
import { type BranchRow, predict } from './branch-scores.js';
import { correctByCosts } from './cost-correction.js';
import { mappedStandInsAt } from './fit-gates.js';
import { highestShare } from './fit-options.js';
import type { Importance, ImportanceInput } from './importance.js';
import { normImportance } from './norm-importance.js';
import { toGateSet } from './score-scale.js';
import { SkipCosts } from './skip-costs.js';
import { Stopwatch } from './stopwatch.js';

/** Times that the text is run with rows skipping: the second time with gates that know what the first one cost. */
const ROUNDS = 2;

/**
 * Importance as change ({@link normImportance}), corrected by what skips are seen to cost the model's predictions where others skip too
 * ({@link SkipCosts}).
 */
export async function measuredImportance(input: ImportanceInput, pacer: Pacer): Promise<Importance> {
  const { request, options, windows, traces, free, perMac } = input;
  const start = await normImportance(input, pacer);
  const clock = new Stopwatch();
  const standIns = await mappedStandInsAt(traces, start.scaled, free, options.standInShare, options.standInRank, pacer);
  const gatesOf = (rows: readonly BranchRow[]): GateSet => toGateSet(rows, predict(traces, rows), free, standIns, highestShare(options));
  let gates = gatesOf(start.scaled);
  const base = logitRows(gates);
  const { load, model, backend, signal } = request;
  const costs = new SkipCosts({
    model,
    backend,
    ...(load?.threads !== undefined && { threads: load.threads }),
    ...(signal && { signal }),
    // The order of the traces' rows.
    windows: [...windows.fit, ...windows.heldOut],
    kv: options.kv,
    pinnedTokens: options.pinnedTokens,
    free,
    perMac,
  });
  let scaled: readonly BranchRow[] = base;
  for (let round = 0; round < ROUNDS; round++) {
    await costs.measure(gates, predict(traces, logitRows(gates)), pacer);
    scaled = await correctByCosts(traces, base, costs.branches, options.maxIterations, pacer);
    gates = gatesOf(scaled);
  }
  return { ...start, scaled, timingsMs: { ...start.timingsMs, weights: start.timingsMs.weights + clock.lap() } };
}

/** Scalar gates as rows of logits. */
function logitRows({ gates }: GateSet): BranchRow[] {
  return gates.map(({ weight, bias }) => ({ weight: Float64Array.from(weight), bias: bias[0]! }));
}
