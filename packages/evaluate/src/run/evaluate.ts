import type { Runner } from '@gateskip/backend';
import { ShapeMismatchError, UnsupportedError } from '@gateskip/errors';
import { branchCount } from '@gateskip/gate';
import type { Model, Tokenizer } from '@gateskip/model';
import type { ProgramRunner } from '../execution/program-runner.js';
import { stepLimits } from '../scoring/limits.js';
import type { TextScoring } from '../scoring/score-texts.js';
import { addUsage, heldOf, noUsage } from '../scoring/usage.js';
import { summarizeTask } from '../statistics/summarize-task.js';
import { summarizeAgreement, summarizePerplexity } from '../statistics/summarize-text.js';
import { Collector } from './collector.js';
import { describeTask, scoredMetrics } from './describe-data.js';
import { openJournal } from './journal.js';
import { adapterHash, describeRun, identifyRun, openRuns, type Run } from './open-runs.js';
import type { PreparedTask } from './prepare-task.js';
import type { EvaluationResults, ItemResult, RunResult, SpeedResult, TaskResult, WindowResult } from './results.js';
import type { RunSetting } from './run-setting.js';
import { fullSpeedSetting, runSpeed, type SpeedSetting } from './run-speed.js';
import { agreementWindows, perplexityWindows } from './run-windows.js';
import { runItems } from './score-items.js';
import { type AgreementSetting, planAgreement, planPerplexity, type TextPlan, type TextSetting } from './text-plan.js';
import { workOf, workOfWindow } from './work.js';
import type { EvaluationProgress } from './work-clock.js';

export interface EvaluateOptions {
  readonly model: Model;
  /** Loaded with the adapter that the policies shall use. */
  readonly runner: Runner;
  /**
   * The model without the adapter, where that changes the model itself (low-rank additions, norms): dense runs, agreement and
   * speed are taken against it. Default: `runner`, whose dense plan is the model as long as the adapter leaves it alone.
   */
  readonly denseRunner?: Runner;
  /** In order; a dense one (`{}`) first, so that the others can be paired with it. */
  readonly runs: readonly RunSetting[];
  readonly tasks?: readonly PreparedTask[];
  readonly perplexity?: TextSetting;
  readonly agreement?: AgreementSetting;
  readonly speed?: SpeedSetting;
  /** For policies that must know a text before it runs (an oracle). */
  readonly textScores?: TextScoring;
  /** Runs what the model writes, for tasks that score by it (HumanEval); without it they are written and not scored. */
  readonly programRunner?: ProgramRunner;
  /** Default 1. */
  readonly seed?: number;
  /** Most rows of one step; default 512. */
  readonly maxRows?: number;
  /** File in which finished items are noted as they come, and from which an interrupted evaluation goes on. */
  readonly journalPath?: string;
  /** For the results. */
  readonly versions?: Readonly<Record<string, string>>;
  readonly onProgress?: (progress: EvaluationProgress) => void;
  readonly signal?: AbortSignal;
}

interface Plan {
  readonly tasks: readonly PreparedTask[];
  readonly perplexity: TextPlan | undefined;
  readonly agreement: TextPlan | undefined;
}

/** What the dense run gave, for pairing. */
interface Baseline {
  readonly items: Map<string, readonly ItemResult[]>;
  windows: readonly WindowResult[] | undefined;
}

/**
 * Scores every run on every task and text, and measures its speed.
 *
 * The journal is left behind; remove it when the results are safe.
 * @throws InvalidArgumentError, ShapeMismatchError, UnsupportedError, JournalMismatchError, LogitsNotFiniteError, AbortedError; what policies and runner throw
 */
export async function evaluate(options: EvaluateOptions): Promise<EvaluationResults> {
  const { model, runner, denseRunner = runner, tasks = [], seed = 1, signal, versions = {}, programRunner } = options;
  checkDenseRunner(denseRunner, runner);
  const { runs, unreached } = openRuns(options.runs, runner);
  checkPossible(options, runs);
  const limits = stepLimits(runner, options.maxRows);
  const { contextLength } = runner.config;
  const perplexity = options.perplexity && planPerplexity(options.perplexity, contextLength);
  const agreement = options.agreement && planAgreement(options.agreement, contextLength);
  const speed = fullSpeedSetting(options.speed, contextLength);
  const description = {
    schema: 'gateskip.eval/1' as const,
    model: { name: model.config.name, fingerprint: model.fingerprint, sizeBytes: model.sizeBytes },
    adapter: runner.adapter ? { name: runner.adapter.name } : null,
    ...(denseRunner !== runner && { denseAdapter: denseRunner.adapter ? { name: denseRunner.adapter.name } : null }),
    backend: { name: runner.backend, details: runner.details },
    seed,
    data: Object.fromEntries(tasks.map((prepared) => [prepared.task.name, describeTask(prepared, programRunner)])),
    texts: { perplexity: perplexity?.description ?? null, agreement: agreement?.description ?? null },
  };
  const hashes = { adapterSha256: adapterHash(runner), ...(denseRunner !== runner && { denseAdapterSha256: adapterHash(denseRunner) }) };
  const settings = { ...description, ...hashes, runs: runs.map(identifyRun), limits, speed, versions };
  const journal = options.journalPath === undefined ? undefined : openJournal(options.journalPath, settings);
  try {
    const collector = new Collector(journal, options.onProgress);
    const plan: Plan = { tasks, perplexity, agreement };
    planWork(collector, runs, plan);
    const results: Omit<RunResult, 'speed'>[] = [];
    const baseline: Baseline = { items: new Map(), windows: undefined };
    for (const run of runs) results.push(await evaluateRun(run, plan, baseline, collector, { ...options, seed, limits }));
    let speeds: readonly (SpeedResult | null)[] = runs.map(() => null);
    if (speed.rounds > 0) {
      const onRound = (done: number): void => collector.report('all', 'speed', done, speed.rounds);
      speeds = await collector.once('speed', () => runSpeed(runs, speed, { model, runner, denseRunner, seed, onRound, signal }));
    }
    return {
      ...description,
      created: new Date().toISOString(),
      versions,
      runs: results.map((result, index) => ({ ...result, speed: speeds[index] ?? null })),
      unreached,
    };
  } finally {
    journal?.close();
  }
}

/** @throws ShapeMismatchError where it is another model */
function checkDenseRunner({ config: dense }: Runner, { config }: Runner): void {
  const sizes = ({ layers, hiddenSize, vocabularySize, contextLength }: Runner['config']): number[] => [
    layers,
    hiddenSize,
    vocabularySize,
    contextLength,
  ];
  const [expected, got] = [sizes(config), sizes(dense)];
  if (expected.some((size, at) => size !== got[at]))
    throw new ShapeMismatchError('denseRunner (layers, hidden size, vocabulary, context)', expected, got);
}

function checkPossible({ model, tasks = [], textScores }: EvaluateOptions, runs: readonly Run[]): void {
  if (tasks.length > 0 && model.tokenizer === undefined)
    throw new UnsupportedError(`Model "${model.config.name}" has no tokenizer, and tasks are text.`);
  for (const { label, needsScores } of runs) {
    if (!needsScores) continue;
    if (textScores === undefined)
      throw new UnsupportedError(`Run "${label}" must know what skipping would lose, and nobody tells it.`, 'Give textScores.');
    const written = tasks.find(({ task }) => task.generation !== undefined);
    if (written)
      throw new UnsupportedError(
        `Run "${label}" must know a text before it runs, and task ${written.task.name} writes one.`,
        'Leave one of them out.',
      );
  }
}

function planWork(collector: Collector, runs: readonly Run[], { tasks, perplexity, agreement }: Plan): void {
  for (const { label, policy } of runs) {
    for (const { task, items } of tasks) for (const item of items) collector.plan(label, `task:${task.name}`, item.id, workOf(item));
    for (const window of perplexity?.windows ?? []) collector.plan(label, 'perplexity', String(window.start), workOfWindow(window));
    if (policy)
      for (const window of agreement?.windows ?? []) collector.plan(label, 'agreement', String(window.start), 2 * workOfWindow(window));
  }
}

async function evaluateRun(
  run: Run,
  { tasks, perplexity, agreement }: Plan,
  baseline: Baseline,
  collector: Collector,
  options: EvaluateOptions & { readonly seed: number; readonly limits: ReturnType<typeof stepLimits> },
): Promise<Omit<RunResult, 'speed'>> {
  const { denseRunner = options.runner, seed, limits, signal, programRunner } = options;
  const { policy, label } = run;
  const runner = policy === undefined ? denseRunner : options.runner;
  const branches = branchCount(runner.config);
  const each = { runner, limits, signal, policy, textScores: run.needsScores ? options.textScores : undefined };
  const isDense = policy === undefined;
  let usage = noUsage;
  const results: Record<string, TaskResult> = {};
  for (const prepared of tasks) {
    const { task, items } = prepared;
    const ids = items.map(({ id }) => id);
    const tokenizer = options.model.tokenizer as Tokenizer;
    const perItem = await collector.collect<ItemResult>(label, `task:${task.name}`, ids, (isDone) =>
      runItems(prepared, isDone, { ...each, tokenizer, programRunner }),
    );
    for (const item of perItem) usage = addUsage(usage, item.usage);
    const metrics = scoredMetrics(task, programRunner);
    results[task.name] = summarizeTask(metrics, perItem, branches, seed, isDense ? undefined : baseline.items.get(task.name));
    if (isDense) baseline.items.set(task.name, perItem);
  }
  let perplexityResult: RunResult['perplexity'] = null;
  if (perplexity) {
    const { windows, text } = perplexity;
    const ids = windows.map(({ start }) => String(start));
    const found = await collector.collect<WindowResult>(label, 'perplexity', ids, (isDone) => perplexityWindows(windows, isDone, each));
    for (const item of found) usage = addUsage(usage, item.usage);
    perplexityResult = summarizePerplexity(text, found, branches, seed, isDense ? undefined : baseline.windows);
    if (isDense) baseline.windows = found;
  }
  let agreementResult: RunResult['agreement'] = null;
  if (agreement && policy) {
    const { windows } = agreement;
    const ids = windows.map(({ start }) => String(start));
    const found = await collector.collect<WindowResult>(label, 'agreement', ids, (isDone) =>
      agreementWindows(windows, isDone, { ...each, denseRunner, policy }),
    );
    for (const item of found) usage = addUsage(usage, item.usage);
    agreementResult = summarizeAgreement(found, branches, seed);
  }
  return { ...describeRun(run), held: heldOf(usage, branches), tasks: results, perplexity: perplexityResult, agreement: agreementResult };
}
