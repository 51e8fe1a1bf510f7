import { describe, expect, it } from 'vitest';
import { collectTraces } from '../src/fit/collect-traces.js';
import { withRunner } from '../src/fit/draft-adapter.js';
import { type BranchStandIn, relativeLoss } from '../src/fit/stand-ins.js';
import { fitStaticStandIns } from '../src/fit/static-stand-ins.js';
import { TooLittleTextError } from '../src/index.js';
import { Pacer } from '../src/progress.js';
import { fitRequest, randomSequences } from './fit-request.js';

const dropped = [3, 4];
const request = fitRequest({ standInRank: 2 });
const others = randomSequences(6, 48, request.model.config.vocabularySize, 9);
const traces = await withRunner(request, undefined, (runner) => collectTraces(runner, others, [], 4, new Pacer('test')));
const lossOf = (branch: number, standIn: BranchStandIn): number =>
  relativeLoss(traces, branch, standIn).reduce((sum, value) => sum + value, 0);
const isZero = (values: Float32Array): boolean => values.every((value) => value === 0);

describe('fitStaticStandIns', () => {
  it('follows the inputs of what is dropped, on other text too, and leaves the rest at zero', async () => {
    const standIns = await fitStaticStandIns(request, dropped);
    expect(standIns).toHaveLength(8);
    for (const [branch, standIn] of standIns.entries()) {
      const { vector, map } = standIn;
      expect([map!.down.length, map!.up.length]).toEqual([64, 64]);
      expect([vector, map!.down, map!.up].every(isZero), `branch ${branch}`).toBe(!dropped.includes(branch));
      if (!dropped.includes(branch)) continue;
      expect(lossOf(branch, standIn)).toBeLessThan(0.95 * lossOf(branch, { vector: new Float32Array(32) }));
    }
    const vectors = await fitStaticStandIns(fitRequest({ standInRank: 0 }), dropped);
    for (const branch of dropped) {
      expect(vectors[branch]).not.toHaveProperty('map');
      expect(lossOf(branch, standIns[branch]!)).toBeLessThan(lossOf(branch, vectors[branch]!));
    }
  });

  it('refuses too little text, and can be stopped', async () => {
    await expect(fitStaticStandIns({ ...request, sequences: others.slice(0, 1) }, dropped)).rejects.toThrow(TooLittleTextError);
    await expect(fitStaticStandIns({ ...request, signal: AbortSignal.abort() }, dropped)).rejects.toMatchObject({ code: 'GS_ABORTED' });
  });
});
