import type { Runner } from '@gateskip/backend';
import { branchCount, densePlan, type KvMode, type Plan, type Rule } from '@gateskip/gate';
import { addDivergence, type DenseRows, type Divergence, denseRows, emptyDivergence } from '../fit/divergence.js';
import { count } from '../fit/windows.js';
import type { Pacer, ProfilePhase } from '../progress.js';

export interface RemovalInput {
  readonly windows: readonly Int32Array[];
  readonly rows: number;
  readonly pinnedTokens: number;
  readonly kv: KvMode;
}

export interface BranchRemoval {
  readonly tokens: number;
  readonly rows: number;
  /** [2L] */
  readonly kl: number[];
  /** [2L] */
  readonly top1: number[];
}

/** Logits that are held at once, twice: the dense ones and those to compare. */
const LOGIT_BYTES = 64 * 1048576;

/**
 * Runs every window once dense and once without each branch, and compares the predictions. One sequence is open at a time,
 * and the dense logits of one window serve all branches.
 */
export async function branchRemoval(
  runner: Runner,
  input: RemovalInput,
  pacer: Pacer<ProfilePhase>,
  signal?: AbortSignal,
): Promise<BranchRemoval> {
  const branches = branchCount(runner.config);
  const { vocabularySize } = runner.config;
  const { windows, pinnedTokens } = input;
  const tokens = count(windows);
  const mostRows = Math.max(1, Math.floor(LOGIT_BYTES / (4 * vocabularySize)));
  const sums = Array.from({ length: branches }, () => emptyDivergence());
  const total = windows.length * (branches + 1);
  let done = 0;
  for (const window of windows) {
    const outputs = comparedRows(window.length, pinnedTokens, Math.min(mostRows, Math.ceil((input.rows * window.length) / tokens)));
    const next = outputs.map((row) => window[row + 1] ?? -1);
    const dense: DenseRows = denseRows(await logits(window, outputs, densePlan(branches)), vocabularySize);
    done++;
    for (let branch = 0; branch < branches; branch++) {
      pacer.report('removal', done, total);
      const plan = withoutBranch(branches, branch, input.kv, window.length, pinnedTokens);
      addDivergence(sums[branch] as Divergence, dense, await logits(window, outputs, plan), next);
      done++;
      await pacer.breathe();
    }
  }
  pacer.report('removal', total, total);
  const rows = sums[0]?.rows ?? 0;
  return { tokens, rows, kl: sums.map(({ kl }) => kl / rows), top1: sums.map(({ agreed }) => agreed / rows) };

  async function logits(window: Int32Array, outputs: Int32Array, plan: Plan): Promise<Float32Array> {
    const sequence = runner.openSequence();
    try {
      const segments = [{ sequence, start: 0, length: window.length, plan: 0 }];
      return (await runner.step({ tokens: window, segments, outputs }, [plan], signal)).logits as Float32Array;
    } finally {
      runner.closeSequence(sequence);
    }
  }
}

/** At most `wanted` rows behind the pinned ones, evenly spread; the last at least. */
function comparedRows(length: number, pinnedTokens: number, wanted: number): Int32Array {
  const free = Math.max(1, length - pinnedTokens);
  const rows = Math.min(free, Math.max(1, wanted));
  return Int32Array.from({ length: rows }, (_, i) => length - free + Math.floor(((i + 0.5) * free) / rows));
}

/** The dense model but for one branch, which only the pinned rows run. */
function withoutBranch(branches: number, branch: number, kv: KvMode, rows: number, pinnedTokens: number): Plan {
  const rules = new Array<Rule>(branches).fill('keep');
  rules[branch] = 'repeat';
  const pinned = new Uint8Array(rows).fill(1, 0, Math.min(pinnedTokens, rows));
  return { scorer: 'none', rules, values: new Float32Array(branches), kv, standIns: false, pinned };
}
