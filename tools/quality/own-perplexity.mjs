import { OWN_WINDOW } from './open-run.mjs';

/**
 * Perplexity on the dense model's own answers (prompts are read and not scored), a conversation at a time, so that none is read with another before it.
 *
 * @param {any} setting of `evaluate`; without a budget: dense
 * @param {any} run
 */
export async function ownPerplexity({ policy: name, budget, policyOptions }, run) {
  const { scheduler, evaluation, adapter, own, limits, options } = run;
  const runner = budget === undefined ? (run.denseRunner ?? run.runner) : run.runner;
  const policy =
    budget &&
    scheduler.createPolicy(name, {
      shape: runner.config,
      budget,
      gates: adapter.gates.spec,
      standInMacs: run.standInMacs,
      ...(adapter.calibration && { calibration: adapter.calibration }),
      ...(policyOptions && { options: policyOptions }),
    });
  const windows = [];
  let [macs, denseMacs] = [0, 0];
  const groups = [];
  for (const [index, scoredFrom] of own.answers.entries())
    groups.push({ texts: [{ tokens: own.tokens.subarray(index * OWN_WINDOW, (index + 1) * OWN_WINDOW), scoredFrom }] });
  for await (const { texts, usage } of evaluation.scoreGroups(groups, { runner, policy, limits, signal: options.signal })) {
    const [{ logprobs }] = texts;
    const nll = -logprobs.reduce((/** @type {number} */ sum, /** @type {number} */ value) => sum + value, 0);
    windows.push({ id: String(windows.length * OWN_WINDOW), tokens: logprobs.length, sums: { nll } });
    macs += usage.macs;
    denseMacs += usage.denseMacs;
  }
  return { windows, held: { net: macs / denseMacs } };
}
