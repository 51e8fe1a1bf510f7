import {
  branchCount,
  denseRowMacs,
  type GateSpec,
  gateMacs,
  gateParameterShapes,
  type KvMode,
  type ModelShape,
  netFromSkips,
  netFromSpeedup,
  type Plan,
  planMacs,
  type Rule,
  rowCosts,
  speedupFromNet,
  standInMacs,
  standInRank,
} from '@gateskip/gate';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { specOf, VARIANTS } from './support/gates.js';

const smollm2: ModelShape = {
  layers: 30,
  hiddenSize: 576,
  heads: 9,
  kvHeads: 3,
  headSize: 64,
  intermediateSize: 1536,
  vocabularySize: 49152,
};
const small: ModelShape = { layers: 3, hiddenSize: 8, heads: 2, kvHeads: 1, headSize: 4, intermediateSize: 16, vocabularySize: 50 };

describe('costs of SmolLM2-135M', () => {
  it('are those of the design figures', () => {
    const costs = rowCosts(smollm2);
    expect(costs.attentionProjections).toBe(884_736);
    expect(costs.mlp).toBe(2_654_208);
    expect(gateMacs(specOf('vector'), 576)).toBe(331_776);
    expect(gateMacs(specOf('low-rank', { rank: 16 }), 576)).toBe(18_432);
    expect((2 * gateMacs(specOf('vector'), 576)) / (costs.attentionProjections + costs.mlp)).toBeCloseTo(0.1875, 12);
  });

  it.each(VARIANTS)('%s: one MAC per weight', (variant) => {
    const spec = specOf(variant);
    const shapes = gateParameterShapes(spec, 576);
    const weights = [shapes.weight, shapes.down, shapes.scalarWeight].reduce(
      (sum, size) => sum + (size?.reduce((a, b) => a * b, 1) ?? 0),
      0,
    );
    expect(gateMacs(spec, 576)).toBe(weights);
  });
});

const planOf = (rule: Rule, value: number, kv: KvMode, scorer: Plan['scorer'] = 'gate') => ({
  scorer,
  kv,
  rules: new Array<Rule>(6).fill(rule),
  values: new Float32Array(6).fill(value),
});

describe('planMacs', () => {
  const rows = 4;
  const position = 5;
  const all = new Uint8Array(6 * rows).fill(1);
  const none = new Uint8Array(6 * rows);

  it('equals the dense count where nothing skips and no gate is asked', () => {
    const { spent, dense, kvRowsAfter } = planMacs({
      shape: small,
      plan: planOf('keep', 0, 'project', 'none'),
      position,
      rows,
      keptRows: all,
    });
    let expected = 0;
    for (let row = 0; row < rows; row++) expected += denseRowMacs(small, position + row + 1);
    expect(dense).toBe(expected);
    expect(spent).toBe(expected);
    expect(kvRowsAfter).toEqual([9, 9, 9]);
  });

  it('pays only K, V and gates where everything skips, by kv mode', () => {
    const { kvProjections } = rowCosts(small);
    const gates: GateSpec = specOf('scalar', { multiplies: false });
    const run = (kv: KvMode) => planMacs({ shape: small, gates, plan: planOf('threshold', 0.5, kv), position, rows, keptRows: none });
    const gateCost = 6 * rows * small.hiddenSize;
    expect(run('project').spent).toBe(3 * rows * kvProjections + gateCost);
    expect(run('absent').spent).toBe(gateCost);
    expect(run('alias').spent).toBe(rows * kvProjections + gateCost);
    expect(run('absent').kvRowsAfter).toEqual([5, 5, 5]);
    expect(run('alias').kvRowsAfter).toEqual([9, 9, 9]);
  });

  it('charges a multiplying gate on kept branches too, a scoring one only where a rule compares', () => {
    const plan = planOf('keep', 0, 'project');
    const base = planMacs({ shape: small, plan, position, rows, keptRows: all }).spent;
    const scoring = specOf('low-rank', { multiplies: false });
    const multiplying = specOf('low-rank', { multiplies: true });
    expect(planMacs({ shape: small, gates: scoring, plan, position, rows, keptRows: all }).spent).toBe(base);
    expect(planMacs({ shape: small, gates: multiplying, plan, position, rows, keptRows: all }).spent).toBe(base + 6 * rows * 2 * 8 * 2);
    const random = planOf('threshold', 0, 'project', 'random');
    expect(planMacs({ shape: small, gates: multiplying, plan: random, position, rows, keptRows: all }).spent).toBe(base);
  });

  it('runs a repeated branch twice, its K and V once', () => {
    const once = planMacs({ shape: small, plan: planOf('repeat', 1, 'project'), position, rows, keptRows: all });
    const twice = planMacs({ shape: small, plan: planOf('repeat', 2, 'project'), position, rows, keptRows: all });
    expect(twice.spent).toBe(2 * once.spent - 3 * rows * rowCosts(small).kvProjections);
    expect(twice.kvRowsAfter).toEqual(once.kvRowsAfter);
  });

  it('does not depend on how rows are cut into steps', () => {
    fc.assert(
      fc.property(
        fc.constantFrom<KvMode>('project', 'absent', 'alias'),
        fc.array(fc.boolean(), { minLength: 60, maxLength: 60 }),
        fc.integer({ min: 1, max: 9 }),
        (kv, flags, cut) => {
          const keptRows = Uint8Array.from(flags, Number);
          const gates = specOf('scalar');
          const plan = planOf('threshold', 0.5, kv);
          const whole = planMacs({ shape: small, gates, plan, position: 0, rows: 10, keptRows });
          const slice = (from: number, to: number) =>
            Uint8Array.from(Array.from({ length: 6 }, (_, branch) => [...keptRows.subarray(branch * 10 + from, branch * 10 + to)]).flat());
          const first = planMacs({ shape: small, gates, plan, position: 0, rows: cut, keptRows: slice(0, cut) });
          const kvRowsBefore = first.kvRowsAfter;
          const second = planMacs({ shape: small, gates, plan, position: cut, rows: 10 - cut, keptRows: slice(cut, 10), kvRowsBefore });
          expect(first.spent + second.spent).toBe(whole.spent);
          expect(first.dense + second.dense).toBe(whole.dense);
          expect(second.kvRowsAfter).toEqual(whole.kvRowsAfter);
          expect(whole.spent).toBeLessThanOrEqual(whole.dense + 60 * small.hiddenSize);
        },
      ),
    );
  });
});

describe('netFromSkips', () => {
  it('is planMacs over dense where all or nothing skips', () => {
    fc.assert(
      fc.property(
        fc.constantFrom<KvMode>('project', 'absent', 'alias'),
        fc.boolean(),
        fc.integer({ min: 0, max: 300 }),
        fc.constantFrom(0, 48),
        (kv, skips, position, standIn) => {
          const gates = specOf('low-rank', { multiplies: false });
          const keptRows = new Uint8Array(6).fill(skips ? 0 : 1);
          const macs = planMacs({
            shape: small,
            gates,
            plan: planOf('threshold', 0.5, kv),
            position,
            rows: 1,
            keptRows,
            standInMacs: standIn,
          });
          const net = netFromSkips(small, gates, {
            skipShares: new Array(6).fill(skips ? 1 : 0),
            context: position + 1,
            kv,
            standInMacs: standIn,
          });
          expect(Math.abs(net - macs.spent / macs.dense)).toBeLessThanOrEqual(8 * Number.EPSILON * Math.max(1, net));
        },
      ),
    );
  });

  it('pays a stand-in for each skip, by its rank', () => {
    const map = { down: new Float32Array(24), up: new Float32Array(24) };
    const gates = { hiddenSize: 8, standInMaps: [map] };
    expect([standInRank(gates), standInMacs(gates)]).toEqual([3, 48]);
    expect([standInMacs({ hiddenSize: 8 }), standInMacs(undefined)]).toEqual([0, 0]);
    const options = { skipShares: new Array(6).fill(0.5), context: 10, kv: 'project' } as const;
    const paid = netFromSkips(small, undefined, { ...options, standInMacs: 48 }) - netFromSkips(small, undefined, options);
    expect(paid).toBeCloseTo((6 * 0.5 * 48) / denseRowMacs(small, 10), 12);
  });

  it('falls as the share grows, and shows that a vector gate costs more than 15 % of skipping saves', () => {
    const at = (share: number, gates: GateSpec) =>
      netFromSkips(smollm2, gates, { skipShares: new Array(branchCount(smollm2)).fill(share), context: 256, kv: 'project' });
    expect(at(0.15, specOf('vector'))).toBeGreaterThan(1);
    expect(at(0.15, specOf('scalar'))).toBeLessThan(0.87);
    expect(at(0.3, specOf('scalar'))).toBeLessThan(at(0.15, specOf('scalar')));
  });
});

it('speed-up and net are inverse, the head counted on both sides', () => {
  fc.assert(
    fc.property(fc.double({ min: 1, max: 2, noNaN: true }), fc.integer({ min: 1, max: 4096 }), (speedup, context) => {
      const net = netFromSpeedup(smollm2, speedup, context);
      expect(net).toBeLessThanOrEqual(1);
      expect(Math.abs(speedupFromNet(smollm2, net, context) / speedup - 1)).toBeLessThanOrEqual(32 * Number.EPSILON);
    }),
  );
});
