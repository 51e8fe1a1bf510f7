import type { Pacer } from '../progress.js';
import { predict } from './branch-scores.js';
import { branchWeights, measureBranchDamage } from './branch-weights.js';
import { draftAdapter, withRunner } from './draft-adapter.js';
import { fitBranchRows, scaleRows, standInsAt } from './fit-gates.js';
import { highestShare } from './fit-options.js';
import type { Importance, ImportanceInput } from './importance.js';
import { toGateSet } from './score-scale.js';
import { type BranchStandIn, relativeLoss } from './stand-ins.js';
import { Stopwatch } from './stopwatch.js';
import { spread } from './windows.js';

/**
 * Importance as change: how much a skip would change the stream relative to it, under stand-ins, times what a unit of that costs in
 * each branch, measured by letting it skip alone. Runs of the model only.
 */
export async function normImportance(input: ImportanceInput, pacer: Pacer): Promise<Importance> {
  const { request, options, windows, traces, free, perMac } = input;
  const { signal, model } = request;
  const branches = perMac.length;
  const clock = new Stopwatch();
  const powered = (factors: readonly number[]): number[] => factors.map((factor) => factor ** options.lossPower);
  const steps = { done: 0, total: branches * (options.rounds + 1) };
  const fitRound = async (standIns: readonly BranchStandIn[]) => {
    const lossesOf = (branch: number) => relativeLoss(traces, branch, standIns[branch]!);
    const fitted = await fitBranchRows(traces, lossesOf, options, pacer, steps);
    steps.done += branches;
    return fitted;
  };
  // Gates need stand-ins to know what a skip loses, stand-ins need gates to know who skips: in turns.
  const none: BranchStandIn[] = Array.from({ length: branches }, () => ({ vector: new Float32Array(model.config.hiddenSize) }));
  let fitted = await fitRound(none);
  let standIns: readonly BranchStandIn[] = none;
  for (let round = 1; round < options.rounds; round++) {
    standIns = standInsAt(traces, scaleRows(fitted.rows, powered(perMac)), free, options.standInShare);
    fitted = await fitRound(standIns);
  }
  let gatesMs = clock.lap();

  const damage = await measureDamage();
  const weights = branchWeights(damage, fitted.meanLoss);
  const weightsMs = clock.lap();

  const factors = powered(perMac.map((cost, branch) => cost * weights[branch]!));
  standIns = standInsAt(traces, scaleRows(fitted.rows, factors), free, options.standInShare);
  // Under vectors alone: gates that are fitted to what maps leave of the rows they were fitted to are a little worse on others.
  fitted = await fitRound(standIns);
  pacer.report('gates', steps.total, steps.total);
  gatesMs += clock.lap();
  return { scaled: scaleRows(fitted.rows, factors), fitted, damage, weights, timingsMs: { gates: gatesMs, weights: weightsMs } };

  async function measureDamage(): Promise<ReadonlyMap<number, number>> {
    if (options.weightTokens === 0) return new Map();
    const draft = draftAdapter(
      request,
      toGateSet(fitted.rows, predict(traces, fitted.rows), free, standIns, highestShare(options)),
      options,
    );
    const texts = spread(
      windows.fit.map((window) => window.slice(0, 256)),
      options.weightTokens,
    );
    return withRunner(request, draft, (runner) =>
      measureBranchDamage(runner, texts, free, options.weightShare, options.pinnedTokens, pacer, signal),
    );
  }
}
