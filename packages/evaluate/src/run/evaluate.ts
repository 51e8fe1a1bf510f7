import { createHash } from 'node:crypto';
import type { Runner } from '@gateskip/backend';
import { InvalidArgumentError, UnsupportedError } from '@gateskip/errors';
import { branchCount } from '@gateskip/gate';
import type { Model } from '@gateskip/model';
import { defaultPolicyName, formatBudget, type Policy, UnreachableBudgetError } from '@gateskip/scheduler';
import { stepLimits } from '../scoring/limits.js';
import { addUsage, heldOf, noUsage } from '../scoring/usage.js';
import { summarizeTask } from '../statistics/summarize-task.js';
import { summarizeAgreement, summarizePerplexity } from '../statistics/summarize-text.js';
import { slidingWindows, type Window } from '../text/windows.js';
import { type Journal, openJournal } from './journal.js';
import { measureSpeed } from './measure-speed.js';
import type { PreparedTask } from './prepare-task.js';
import type { PreparedText } from './prepare-text.js';
import type { DataDescription, EvaluationResults, ItemResult, RunResult, SpeedResult, TextDescription, WindowResult } from './results.js';
import { labelOf, policyOf, type RunSetting } from './run-setting.js';
import { agreementWindows, perplexityWindows } from './run-windows.js';
import { runItems } from './score-items.js';
import { speedPrompt } from './speed-prompt.js';
import { workOf, workOfWindow } from './work.js';
import { type EvaluationProgress, WorkClock } from './work-clock.js';

/** A text with the windows in which it is read. */
export interface TextSetting {
  readonly text: PreparedText;
  /** Tokens of a window; default 1024, or the context where that is shorter. */
  readonly window?: number;
  /** Tokens by which it moves on; default half a window. Agreement has windows side by side instead. */
  readonly stride?: number;
}

export interface EvaluateOptions {
  readonly model: Model;
  /** Loaded with the adapter that the policies shall use. */
  readonly runner: Runner;
  /** In order; a dense one (`{}`) first, so that the others can be paired with it. */
  readonly runs: readonly RunSetting[];
  readonly tasks?: readonly PreparedTask[];
  readonly perplexity?: TextSetting;
  readonly agreement?: Omit<TextSetting, 'stride'>;
  /** Default 5 rounds of 512 prompt and 64 answer tokens, shorter where the context is; 0 rounds: none. */
  readonly speed?: { readonly rounds?: number; readonly promptTokens?: number; readonly decodeTokens?: number };
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

interface Run {
  readonly setting: RunSetting;
  readonly label: string;
  readonly policy: Policy | undefined;
}

/**
 * Scores every run on every task and text, and measures its speed.
 *
 * The journal is left behind; remove it when the results are safe.
 * @throws InvalidArgumentError, UnsupportedError, JournalMismatchError, LogitsNotFiniteError, AbortedError; what policies and runner throw
 */
export async function evaluate(options: EvaluateOptions): Promise<EvaluationResults> {
  const { model, runner, tasks = [], perplexity, agreement, seed = 1, signal } = options;
  const { runs, unreached } = openRuns(options);
  const limits = stepLimits(runner, options.maxRows);
  const branches = branchCount(runner.config);
  const { contextLength } = runner.config;
  const window = perplexity?.window ?? Math.min(1024, contextLength + 1);
  const stride = perplexity?.stride ?? Math.max(1, Math.floor(window / 2));
  const sideWindow = agreement?.window ?? Math.min(1024, contextLength);
  if (window > contextLength + 1 || sideWindow > contextLength)
    throw new InvalidArgumentError(`A window may have ${contextLength} tokens at most.`);
  if (!Number.isInteger(sideWindow) || sideWindow < 2) throw new InvalidArgumentError(`A window has 2 tokens at least, got ${sideWindow}.`);
  const sliding = perplexity ? slidingWindows(perplexity.text.tokens, window, stride) : [];
  const sides = agreement ? sideBySide(agreement.text.tokens, sideWindow) : [];
  const { tokenizer } = model;
  if (tasks.length > 0 && tokenizer === undefined)
    throw new UnsupportedError(`Model "${model.config.name}" has no tokenizer, and tasks are text.`);

  const data = Object.fromEntries(tasks.map((prepared) => [prepared.task.name, describeData(prepared)]));
  const texts = {
    perplexity: perplexity ? describeText(perplexity.text, window, stride) : null,
    agreement: agreement ? describeText(agreement.text, sideWindow, sideWindow) : null,
  };
  const speed = speedSettings(options, contextLength);
  const description = {
    schema: 'gateskip.eval/1' as const,
    model: { name: model.config.name, fingerprint: model.fingerprint, sizeBytes: model.sizeBytes },
    adapter: runner.adapter ? { name: runner.adapter.name } : null,
    backend: { name: runner.backend, details: runner.details },
    seed,
    data,
    texts,
  };
  const settings = {
    ...description,
    adapterSha256: adapterHash(runner),
    runs: runs.map(describeRun),
    limits,
    speed,
    versions: options.versions ?? {},
  };
  const journal = options.journalPath === undefined ? undefined : openJournal(options.journalPath, settings);
  try {
    const found = new Map((journal?.entries ?? []).map((entry) => [keyOf(entry.run, entry.part, entry.id), entry.value]));
    const clock = planWork(runs, tasks, sliding, sides, found);
    const report = (run: string, part: string, done: number, total: number): void =>
      options.onProgress?.({ run, part, done, total, msLeft: clock.msLeft });
    const each = { runner, limits, signal };

    /** Runs what the journal lacks; results in the order of `ids`. */
    const collect = async <T>(
      run: Run,
      part: string,
      ids: readonly string[],
      works: readonly number[],
      make: (isDone: (id: string) => boolean) => AsyncGenerator<T & { readonly id: string }>,
    ): Promise<T[]> => {
      const isDone = (id: string): boolean => found.has(keyOf(run.label, part, id));
      let done = ids.filter(isDone).length;
      const name = part.replace(/^task:/, '');
      report(run.label, name, done, ids.length);
      const workById = new Map(ids.map((id, index) => [id, works[index] as number]));
      const fresh = new Map<string, unknown>();
      for await (const value of make(isDone)) {
        fresh.set(value.id, value);
        journal?.append({ run: run.label, part, id: value.id, value });
        clock.finish(workById.get(value.id) ?? 0);
        report(run.label, name, ++done, ids.length);
      }
      return ids.map((id) => (fresh.get(id) ?? found.get(keyOf(run.label, part, id))) as T);
    };

    const results: Omit<RunResult, 'speed'>[] = [];
    const denseItems = new Map<string, ItemResult[]>();
    let denseWindows: WindowResult[] | undefined;
    for (const run of runs) {
      const { policy, setting, label } = run;
      const isDense = policy === undefined;
      let usage = noUsage;
      const done: Record<string, RunResult['tasks'][string]> = {};
      for (const prepared of tasks) {
        const { task, items } = prepared;
        const ids = items.map(({ id }) => id);
        const own = { ...each, policy, tokenizer: tokenizer as NonNullable<typeof tokenizer> };
        const perItem = await collect<ItemResult>(run, `task:${task.name}`, ids, items.map(workOf), (isDone) =>
          runItems(prepared, isDone, own),
        );
        for (const item of perItem) usage = addUsage(usage, item.usage);
        done[task.name] = summarizeTask(task.metrics, perItem, branches, seed, isDense ? undefined : denseItems.get(task.name));
        if (isDense) denseItems.set(task.name, perItem);
      }
      let perplexityResult: RunResult['perplexity'] = null;
      if (perplexity) {
        const ids = sliding.map(({ start }) => String(start));
        const windows = await collect<WindowResult>(run, 'perplexity', ids, sliding.map(workOfWindow), (isDone) =>
          perplexityWindows(sliding, isDone, { ...each, policy }),
        );
        for (const item of windows) usage = addUsage(usage, item.usage);
        perplexityResult = summarizePerplexity(perplexity.text, windows, branches, seed, isDense ? undefined : denseWindows);
        if (isDense) denseWindows = windows;
      }
      let agreementResult: RunResult['agreement'] = null;
      if (agreement && policy) {
        const ids = sides.map(({ start }) => String(start));
        const works = sides.map((side) => 2 * workOfWindow(side));
        const windows = await collect<WindowResult>(run, 'agreement', ids, works, (isDone) =>
          agreementWindows(sides, isDone, { ...each, policy }),
        );
        for (const item of windows) usage = addUsage(usage, item.usage);
        agreementResult = summarizeAgreement(windows, branches, seed);
      }
      const { label: name, policy: policyName, policyOptions, budgetAsked } = describeRun({ setting, label, policy });
      const held = heldOf(usage, branches);
      results.push({
        label: name,
        policy: policyName,
        policyOptions,
        budgetAsked,
        held,
        tasks: done,
        perplexity: perplexityResult,
        agreement: agreementResult,
      });
    }
    const speeds = speed.rounds > 0 ? await runSpeed(options, runs, speed, seed, found, journal, report) : undefined;
    return {
      ...description,
      created: new Date().toISOString(),
      versions: options.versions ?? {},
      runs: results.map((result, index) => ({ ...result, speed: speeds?.[index] ?? null })),
      unreached,
    };
  } finally {
    journal?.close();
  }
}

const keyOf = (run: string, part: string, id: string): string => JSON.stringify([run, part, id]);

function openRuns({ runs: settings, runner }: EvaluateOptions): { runs: Run[]; unreached: { label: string; reason: string }[] } {
  const runs: Run[] = [];
  const unreached: { label: string; reason: string }[] = [];
  for (const setting of settings) {
    const label = labelOf(setting);
    if (runs.some((run) => run.label === label))
      throw new InvalidArgumentError(`Two runs are called "${label}".`, 'Ask for each policy and budget once.');
    try {
      runs.push({ setting, label, policy: policyOf(setting, runner.config, runner.adapter) });
    } catch (error) {
      if (!(error instanceof UnreachableBudgetError)) throw error;
      unreached.push({ label, reason: error.message });
    }
  }
  if (runs.length === 0) {
    const [first] = unreached;
    throw new InvalidArgumentError(first ? `No run is possible: ${first.reason}` : 'There is nothing to run.', 'Ask for another budget.');
  }
  return { runs, unreached };
}

function describeRun({ setting, label, policy }: Run) {
  const { budget, policyOptions, profile } = setting;
  return {
    label,
    policy: policy === undefined ? 'dense' : (setting.policy ?? defaultPolicyName),
    policyOptions: policyOptions ?? null,
    budgetAsked: budget === undefined ? null : formatBudget(budget),
    profileSha256: profile === undefined ? null : createHash('sha256').update(JSON.stringify(profile)).digest('hex'),
  };
}

function describeData({ task, items, source, sha256, records, fewShot, chat }: PreparedTask): DataDescription {
  const itemsSha256 = createHash('sha256')
    .update(JSON.stringify(items.map(({ id, hash }) => [id, hash])))
    .digest('hex');
  return { source, sha256, records, items: items.length, itemsSha256, fewShot, chat, metrics: task.metrics };
}

function describeText({ source, sha256, tokens, allTokens, bytes, words }: PreparedText, window: number, stride: number): TextDescription {
  return { source, sha256, tokens: tokens.length, allTokens, bytes, words, window, stride };
}

function adapterHash({ adapter }: Runner): string | null {
  if (adapter === undefined) return null;
  const { name, provenance, calibration, gates } = adapter;
  const hash = createHash('sha256').update(JSON.stringify([name, provenance, calibration, gates.spec]));
  for (const gate of gates.gates)
    for (const values of Object.values(gate))
      if (ArrayBuffer.isView(values)) hash.update(new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
  return hash.digest('hex');
}

function sideBySide(tokens: Int32Array, window: number): Window[] {
  const windows: Window[] = [];
  for (let start = 0; start < tokens.length; start += window)
    windows.push({ tokens: tokens.subarray(start, start + window), scoredFrom: 0, start });
  return windows;
}

function planWork(
  runs: readonly Run[],
  tasks: readonly PreparedTask[],
  sliding: readonly Window[],
  sides: readonly Window[],
  found: ReadonlyMap<string, unknown>,
): WorkClock {
  const clock = new WorkClock();
  for (const { label, policy } of runs) {
    for (const { task, items } of tasks)
      for (const item of items) if (!found.has(keyOf(label, `task:${task.name}`, item.id))) clock.plan(workOf(item));
    for (const window of sliding) if (!found.has(keyOf(label, 'perplexity', String(window.start)))) clock.plan(workOfWindow(window));
    if (policy)
      for (const window of sides) if (!found.has(keyOf(label, 'agreement', String(window.start)))) clock.plan(2 * workOfWindow(window));
  }
  return clock;
}

interface SpeedSettings {
  readonly rounds: number;
  readonly promptTokens: number;
  readonly decodeTokens: number;
}

function speedSettings({ speed = {} }: EvaluateOptions, contextLength: number): SpeedSettings {
  const { rounds = 5, promptTokens = Math.min(512, contextLength - 1), decodeTokens = Math.min(64, Math.floor(contextLength / 2)) } = speed;
  return { rounds, promptTokens, decodeTokens };
}

async function runSpeed(
  { model, runner, onProgress, signal }: EvaluateOptions,
  runs: readonly Run[],
  { rounds, promptTokens, decodeTokens }: SpeedSettings,
  seed: number,
  found: ReadonlyMap<string, unknown>,
  journal: Journal | undefined,
  report: (run: string, part: string, done: number, total: number) => void,
): Promise<SpeedResult[]> {
  const before = found.get(keyOf('', 'speed', 'all')) as SpeedResult[] | undefined;
  if (before !== undefined) return before;
  const policies = runs.map(({ policy }) => policy);
  const prompt = speedPrompt(model, promptTokens, seed);
  const onRound = onProgress && ((done: number) => report('all', 'speed', done, rounds));
  const value = await measureSpeed({ runner, policies, prompt, decodeTokens, rounds, signal, ...(onRound && { onRound }) });
  journal?.append({ run: '', part: 'speed', id: 'all', value });
  return value;
}
