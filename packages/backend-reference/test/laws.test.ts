import type { Runner, StepInput } from '@gateskip/backend';
import { createRandomAdapter } from '@gateskip/backend/conformance';
import { densePlan, type GateSpec, type KvMode, type Plan, planMacs, type Rule, type Scorer } from '@gateskip/gate';
import { createRandomModel } from '@gateskip/model';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { referenceBackend } from '../src/index.js';

const CONFIG = { layers: 2, hiddenSize: 32, heads: 2, kvHeads: 1, headSize: 16, intermediateSize: 32, vocabularySize: 64 };
const BRANCHES = 4;

const rule = fc.oneof(
  fc.tuple(fc.constant<Rule>('keep'), fc.constant(Number.NaN)),
  fc.tuple(fc.constantFrom<Rule>('threshold', 'fraction', 'quantile'), fc.float({ min: 0, max: 1, noNaN: true })),
  fc.tuple(fc.constant<Rule>('repeat'), fc.constantFrom(0, 1, 2)),
);
const plan: fc.Arbitrary<Plan> = fc
  .record({
    scorer: fc.constantFrom<Scorer>('gate', 'random'),
    rules: fc.array(rule, { minLength: BRANCHES, maxLength: BRANCHES }),
    kv: fc.constantFrom<KvMode>('project', 'absent', 'alias'),
    standIns: fc.boolean(),
    seed: fc.nat(),
  })
  .map(({ rules, ...rest }) => ({ ...rest, rules: rules.map(([name]) => name), values: Float32Array.from(rules, ([, value]) => value) }));
const spec = fc.record({
  variant: fc.constantFrom<GateSpec['variant']>('vector', 'scalar', 'mlp', 'low-rank', 'hybrid'),
  multiplies: fc.boolean(),
});
const tokens = fc.array(fc.integer({ min: 0, max: CONFIG.vocabularySize - 1 }), { minLength: 1, maxLength: 9 });

function inputOf(runner: Runner, parts: readonly (readonly number[])[]): StepInput {
  const rows = Int32Array.from(parts.flat());
  let start = 0;
  const segments = parts.map(({ length }) => {
    start += length;
    return { sequence: runner.openSequence(), start: start - length, length, plan: 0 };
  });
  return { tokens: rows, segments, outputs: Int32Array.from(rows, (_, row) => row), want: { keptRows: true } };
}

async function load(gateSpec: Partial<GateSpec> = {}): Promise<Runner> {
  const model = createRandomModel({ seed: 1, config: CONFIG });
  return referenceBackend.load(model, { adapter: createRandomAdapter(model, { seed: 1, spec: gateSpec, standIns: true }) });
}

describe('laws', () => {
  it('counts the MACs that the formulas of the gate package give for the rows kept', async () => {
    await fc.assert(
      fc.asyncProperty(plan, spec, tokens, async (anyPlan, gateSpec, prompt) => {
        const runner = await load(gateSpec);
        const { keptRows, kept, macs, denseMacs } = await runner.step(inputOf(runner, [prompt]), [anyPlan]);
        const gates = runner.adapter!.gates.spec;
        const expected = planMacs({ shape: CONFIG, gates, plan: anyPlan, position: 0, rows: prompt.length, keptRows: keptRows! });
        expect([macs[0], denseMacs[0]]).toEqual([expected.spent, expected.dense]);
        for (let branch = 0; branch < BRANCHES; branch++) {
          const row = keptRows!.subarray(branch * prompt.length, (branch + 1) * prompt.length);
          expect(kept[branch]).toBe(row.reduce((sum, bit) => sum + bit, 0));
        }
        const held = expected.kvRowsAfter.reduce((sum, count) => sum + count, 0);
        // An alias names a row of the layer below: own rows are those of layer 0 and of the rows kept above it.
        expect(runner.kvUsage().used).toBe(anyPlan.kv === 'alias' ? prompt.length + kept[2]! : held);
      }),
      { numRuns: 60 },
    );
  });

  it('a fraction never exceeds its budget, and pinned rows are kept', async () => {
    const runner = await load();
    await fc.assert(
      fc.asyncProperty(fc.float({ min: 0, max: 1, noNaN: true }), tokens, fc.nat(9), async (share, prompt, pins) => {
        const pinned = Uint8Array.from(prompt, (_, row) => (row < pins ? 1 : 0));
        const ranked: Plan = { ...densePlan(BRANCHES), scorer: 'gate', rules: new Array<Rule>(BRANCHES).fill('fraction'), pinned };
        const result = await runner.step(inputOf(runner, [prompt]), [{ ...ranked, values: new Float32Array(BRANCHES).fill(share) }]);
        const free = pinned.reduce((sum, pin) => sum + 1 - pin, 0);
        for (let branch = 0; branch < BRANCHES; branch++) expect(prompt.length - result.kept[branch]!).toBe(Math.floor(share * free));
        for (const [at, keep] of result.keptRows!.entries()) if (pinned[at % prompt.length]) expect(keep).toBe(1);
      }),
      { numRuns: 60 },
    );
  });

  it('the order of sequences in a step does not matter under rules that do not rank', async () => {
    const runner = await load({ multiplies: true, variant: 'low-rank' });
    const threshold: Plan = { ...densePlan(BRANCHES), scorer: 'gate', rules: new Array<Rule>(BRANCHES).fill('threshold'), kv: 'absent' };
    const plans = [{ ...threshold, values: new Float32Array(BRANCHES).fill(0.5) }];
    await fc.assert(
      fc.asyncProperty(tokens, tokens, async (first, second) => {
        const there = (await runner.step(inputOf(runner, [first, second]), plans)).logits!;
        const back = (await runner.step(inputOf(runner, [second, first]), plans)).logits!;
        const cut = first.length * CONFIG.vocabularySize;
        expect(back.slice(-cut)).toEqual(there.slice(0, cut));
        expect(back.slice(0, -cut)).toEqual(there.slice(cut));
      }),
      { numRuns: 30 },
    );
  });
});

describe('a long step', () => {
  const long = Array.from({ length: 400 }, (_, i) => i % CONFIG.vocabularySize);

  async function loadDeep(): Promise<Runner> {
    return referenceBackend.load(createRandomModel({ seed: 2, config: { ...CONFIG, layers: 8, contextLength: 512 } }));
  }

  it('lets the event loop run', async () => {
    const runner = await loadDeep();
    let turns = 0;
    const timer = setInterval(() => turns++, 1);
    await runner.step(inputOf(runner, [long]), [densePlan(16)]);
    clearInterval(timer);
    expect(turns).toBeGreaterThan(3);
  });

  it('stops soon after its signal and leaves nothing', async () => {
    const runner = await loadDeep();
    const input = inputOf(runner, [long]);
    const controller = new AbortController();
    setTimeout(() => controller.abort(), 1);
    await expect(runner.step(input, [densePlan(16)], controller.signal)).rejects.toMatchObject({ code: 'GS_ABORTED' });
    expect(runner.kvUsage()).toMatchObject({ used: 0, dense: 0 });
    expect(runner.sequenceLength(input.segments[0]!.sequence)).toBe(0);
  });
});
