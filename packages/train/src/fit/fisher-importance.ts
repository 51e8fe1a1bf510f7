import type { Pacer } from '../progress.js';
import { fisherLosses } from './fisher-losses.js';
import { fitBranchRows, mappedStandInsAt, scaleRows } from './fit-gates.js';
import type { Importance, ImportanceInput } from './importance.js';
import { relativeLoss } from './stand-ins.js';
import { Stopwatch } from './stopwatch.js';

/**
 * Losses by one drawn label a row are mostly noise. A ridge several times that which held-out rows of the same text would choose costs
 * little there and holds better on other text.
 */
const RIDGE_ROWS = 30_000;

/**
 * Importance as damage: what a skip costs the model's predictions, in nats, by their Fisher information ({@link fisherLosses}). Branches
 * are comparable as they are, so nothing is weighed.
 */
export async function fisherImportance(input: ImportanceInput, pacer: Pacer): Promise<Importance> {
  const { request, options, windows, traces, free, perMac } = input;
  const branches = perMac.length;
  const clock = new Stopwatch();
  const texts = [...windows.fit, ...windows.heldOut];
  const { load, model, backend, signal } = request;
  const fisher = { model, backend, ...(load?.threads !== undefined && { threads: load.threads }), ...(signal && { signal }) };
  const factors = perMac.map((cost) => cost ** options.lossPower);
  const total = branches * (options.rounds + 1);
  // What a skip costs hangs on what stands in, and that on who skips. To begin with, those whose skip changes the stream least. Stand-ins
  // of all rows alike would not do: they make rows that will skip look dear and those that never will look cheap.
  const nothing = { vector: new Float32Array(traces.size) };
  const change = await fitBranchRows(traces, (branch) => relativeLoss(traces, branch, nothing), options, pacer, { done: 0, total });
  let scaled = scaleRows(change.rows, factors);
  let gatesMs = clock.lap();
  let lossesMs = 0;
  for (let round = 1; ; round++) {
    const standIns = await mappedStandInsAt(traces, scaled, free, options.standInShare, options.standInRank, pacer);
    gatesMs += clock.lap();
    const losses = await fisherLosses(fisher, texts, standIns, options, pacer);
    lossesMs += clock.lap();
    const fitted = await fitBranchRows(traces, (branch) => losses[branch]!, options, pacer, { done: branches * round, total }, RIDGE_ROWS);
    scaled = scaleRows(fitted.rows, factors);
    gatesMs += clock.lap();
    if (round < options.rounds) continue;
    pacer.report('gates', total, total);
    const weights = new Array<number>(branches).fill(1);
    return { scaled, fitted, damage: new Map(), weights, timingsMs: { gates: gatesMs, weights: lossesMs } };
  }
}
