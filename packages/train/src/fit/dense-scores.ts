import type { Runner } from '@gateskip/backend';
import { branchCount, type Calibration, type Plan } from '@gateskip/gate';
import type { Pacer } from '../progress.js';
import { MAX_ROWS, thresholdPlan } from './calibrate.js';

/** Scores of all rows but the pinned while nothing skips: [2L][rows]. */
export async function denseScores(
  runner: Runner,
  windows: readonly Int32Array[],
  options: Pick<Calibration, 'protectedBranches' | 'pinnedTokens' | 'kv'>,
  addition: Pick<Plan, 'loraStrength'>,
  pacer: Pacer,
  signal: AbortSignal | undefined,
): Promise<Float64Array[]> {
  const branches = branchCount(runner.config);
  const found: number[][] = Array.from({ length: branches }, () => []);
  for (const window of windows) {
    const sequence = runner.openSequence();
    try {
      for (let start = 0; start < window.length; start += MAX_ROWS) {
        const tokens = window.slice(start, start + MAX_ROWS);
        const rows = tokens.length;
        const plan = { ...thresholdPlan(branches, 0, options, start, rows), ...addition };
        const segments = [{ sequence, start: 0, length: rows, plan: 0 }];
        const { scores } = await runner.step({ tokens, segments, outputs: new Int32Array(0), want: { scores: true } }, [plan], signal);
        for (const [branch, list] of found.entries()) {
          for (let row = Math.max(0, options.pinnedTokens - start); row < rows; row++) list.push(scores![branch * rows + row]!);
        }
        await pacer.breathe();
      }
    } finally {
      runner.closeSequence(sequence);
    }
  }
  return found.map((list) => Float64Array.from(list));
}
