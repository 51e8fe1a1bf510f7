import type { Engine } from '@gateskip/engine';
import { UnreachableBudgetError } from '@gateskip/scheduler';
import type { SkipRow, UnreachedSkip } from './bench-report.js';
import { decodeBytesPerToken, type StoredBytes } from './decode-bytes.js';
import { inTurns } from './in-turns.js';
import { promptMacsLeft } from './prompt-macs.js';
import { ratioSpread, scaledSpread } from './spread.js';
import { generate, prefillTokens, type SkipSetting, timeDecode, timePrefill } from './workload.js';

/** What is run under each budget. */
export interface SkipWorkload {
  readonly engine: Engine;
  readonly short: Int32Array;
  readonly prompt: Int32Array;
  readonly decodeTokens: number;
  readonly signal: AbortSignal;
}

/** What a budget did in its traced run, and its times and the dense ones beside them, round by round. */
export interface SkipRun {
  readonly skip: number;
  readonly setting: SkipSetting;
  readonly held: number;
  readonly prefillHeld: number;
  readonly bytesPerToken: number;
  readonly macsLeft: number;
  readonly decode: number[];
  readonly denseDecode: number[];
  readonly prefill: number[];
  readonly densePrefill: number[];
}

/** Runs every budget once with a trace: what it skips is known before time is taken. */
export async function prepareSkips(
  work: SkipWorkload,
  skips: readonly number[],
  rest: { readonly policy: string; readonly kv: 'project' | 'absent' | 'alias' },
  stored: StoredBytes,
): Promise<{ skipRuns: SkipRun[]; unreached: UnreachedSkip[] }> {
  const { engine, short, prompt, decodeTokens, signal } = work;
  const skipRuns: SkipRun[] = [];
  const unreached: UnreachedSkip[] = [];
  for (const skip of skips) {
    const setting: SkipSetting = { budget: { skip }, ...rest };
    try {
      const answer = await generate(engine, short, decodeTokens + 1, setting, signal, true);
      const read = await generate(engine, prompt, 1, setting, signal);
      if (answer.trace === undefined) throw new Error('The engine gave no trace.');
      skipRuns.push({
        skip,
        setting,
        held: answer.skip.decode.skip,
        prefillHeld: read.skip.prefill.skip,
        bytesPerToken: decodeBytesPerToken(answer.trace, stored, rest.kv),
        macsLeft: promptMacsLeft(engine.model.config, prefillTokens, read.skip.prefill.net),
        decode: [],
        denseDecode: [],
        prefill: [],
        densePrefill: [],
      });
    } catch (error) {
      if (!(error instanceof UnreachableBudgetError)) throw error;
      unreached.push({ skip, reason: error.message });
    }
  }
  return { skipRuns, unreached };
}

/** A prompt is over in a moment, so a few runs of it say little on a shared machine. */
const promptPairs = 3;

/** One round of a budget, a dense run beside each of its own. */
export async function timeSkip(run: SkipRun, work: SkipWorkload, swapped: boolean): Promise<void> {
  const { engine, short, prompt, decodeTokens, signal } = work;
  await inTurns(swapped, [
    async () => void run.denseDecode.push(await timeDecode(engine, short, decodeTokens, {}, signal)),
    async () => void run.decode.push(await timeDecode(engine, short, decodeTokens, run.setting, signal)),
  ]);
  for (let pair = 0; pair < promptPairs; pair++)
    await inTurns(swapped === (pair % 2 === 0), [
      async () => void run.densePrefill.push(await timePrefill(engine, prompt, {}, signal)),
      async () => void run.prefill.push(await timePrefill(engine, prompt, run.setting, signal)),
    ]);
}

export function describeSkip(run: SkipRun, denseBytes: number): SkipRow {
  const { skip, held, prefillHeld, macsLeft } = run;
  const bytesLeft = run.bytesPerToken / denseBytes;
  const decodeSpeedup = ratioSpread(run.decode, run.denseDecode);
  const prefillSpeedup = ratioSpread(run.prefill, run.densePrefill);
  return {
    skip,
    held,
    prefillHeld,
    bytesLeft,
    macsLeft,
    decodeSpeedup,
    prefillSpeedup,
    decodeEfficiency: scaledSpread(decodeSpeedup, bytesLeft),
    prefillEfficiency: scaledSpread(prefillSpeedup, macsLeft),
    decodeTimeLeft: 1 / decodeSpeedup.median,
  };
}
