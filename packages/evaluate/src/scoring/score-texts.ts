import type { Runner } from '@gateskip/backend';
import { AbortedError } from '@gateskip/errors';
import type { Policy } from '@gateskip/scheduler';
import type { ScoredText } from '../items/item.js';
import { Admission } from './admission.js';
import { GroupRun } from './group-run.js';
import type { StepLimits } from './limits.js';
import { type LaneRows, runRows } from './run-rows.js';
import type { TokenScores } from './text-scores.js';
import type { Usage } from './usage.js';

/** Texts that share a beginning, e.g. the choices of an item. */
export interface TextGroup {
  readonly texts: readonly ScoredText[];
}

export interface GroupScores {
  readonly texts: readonly TokenScores[];
  /** Shared rows count once. */
  readonly usage: Usage;
}

/** What skipping would lose, for every branch and row of a text: [branches, rows]. Runs the text. */
export type TextScoring = (tokens: Int32Array) => Promise<Float32Array>;

export interface ScoreOptions {
  readonly runner: Runner;
  /** Undefined: dense. */
  readonly policy: Policy | undefined;
  readonly limits: StepLimits;
  /** Default true; without it every text runs from its start. For tests of that sharing. */
  readonly sharePrefix?: boolean;
  /** Scores of a text for policies that need them before it runs; every text then runs from its start. */
  readonly textScores?: TextScoring | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Log-probabilities of groups of texts, in order. The common beginning of a group runs once, then its texts as forks;
 * rows of several groups share steps. How a group is cut into rows depends on the group alone, so its result does not
 * depend on the others. For a policy that couples sequences, the rows of one group that run in one step are ranked
 * together: first those of the common beginning, then those of all its texts.
 *
 * The whole text counts as prompt: thresholds of a controlled policy stand still in it. But where a policy has a `promptBudget`, what comes
 * before the scored tokens is the prompt, and they are an answer whose budget is held.
 *
 * @throws what runner and policy throw; AbortedError
 */
export async function* scoreGroups(groups: Iterable<TextGroup>, options: ScoreOptions): AsyncGenerator<GroupScores> {
  const { runner, limits, signal } = options;
  const source = groups[Symbol.iterator]();
  let opened = 0;
  const admission = new Admission(limits, async () => {
    const next = source.next();
    if (next.done) return undefined;
    const given: Float32Array[] = [];
    if (options.textScores) for (const { tokens } of next.value.texts) given.push(await options.textScores(tokens.slice(0, -1)));
    return new GroupRun(next.value, options, opened++, given);
  });
  const { running } = admission;
  // Two steps' rows: what does not fit the next one may fill up the one after.
  const isEnough = (runs: readonly GroupRun[]): boolean =>
    runs.reduce((sum, run) => sum + Math.min(run.tokens, limits.chunkRows), 0) >= 2 * limits.maxRows;
  try {
    for (;;) {
      await admission.fill(isEnough);
      if (running.length === 0) return;
      if (signal?.aborted) throw new AbortedError('The evaluation');
      await runStep(runner, running, options);
      while (running[0]?.isDone) yield (running.shift() as GroupRun).finish();
    }
  } finally {
    admission.close();
  }
}

async function runStep(runner: Runner, running: readonly GroupRun[], { limits, signal }: ScoreOptions): Promise<void> {
  const parts: LaneRows[] = [];
  const owners: { run: GroupRun; first: number }[] = [];
  let rows = 0;
  let outputs = 0;
  for (const run of running) {
    if (run.isDone) continue;
    const next = run.next();
    const nextRows = next.reduce((sum, part) => sum + part.tokens.length, 0);
    const nextOutputs = next.reduce((sum, part) => sum + part.outputs.length, 0);
    if (parts.length > 0 && (rows + nextRows > limits.maxRows || outputs + nextOutputs > limits.maxOutputs)) continue;
    owners.push({ run, first: parts.length });
    parts.push(...next);
    rows += nextRows;
    outputs += nextOutputs;
  }
  const result = await runRows(runner, parts, { topLogits: 1, signal });
  for (const { run, first } of owners) run.take(result, first);
}
