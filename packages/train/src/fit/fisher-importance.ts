import type { Pacer } from '../progress.js';
import { fisherLosses } from './fisher-losses.js';
import { fitBranchRows, mappedStandInsAt, scaleRows } from './fit-gates.js';
import type { Importance, ImportanceInput } from './importance.js';
import { standInsOfAllRows } from './static-stand-ins.js';
import { Stopwatch } from './stopwatch.js';

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
  const total = branches * options.rounds;
  // Who will skip is not known yet: what stands in is the best that can be said of every row.
  let standIns = await standInsOfAllRows(traces, free, options.standInRank, pacer);
  let gatesMs = clock.lap();
  let lossesMs = 0;
  for (let round = 1; ; round++) {
    const losses = await fisherLosses(fisher, texts, standIns, options, pacer);
    lossesMs += clock.lap();
    const fitted = await fitBranchRows(traces, (branch) => losses[branch]!, options, pacer, { done: branches * (round - 1), total });
    const scaled = scaleRows(fitted.rows, factors);
    gatesMs += clock.lap();
    if (round < options.rounds) {
      standIns = await mappedStandInsAt(traces, scaled, free, options.standInShare, options.standInRank, pacer);
      continue;
    }
    pacer.report('gates', total, total);
    const weights = new Array<number>(branches).fill(1);
    return { scaled, fitted, damage: new Map(), weights, timingsMs: { gates: gatesMs, weights: lossesMs } };
  }
}
