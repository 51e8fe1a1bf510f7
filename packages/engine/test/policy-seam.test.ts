import type { StepInput } from '@gateskip/backend';
import { densePlan, type Plan } from '@gateskip/gate';
import type { Observation, Policy } from '@gateskip/scheduler';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { fakeEngine } from './helpers.js';

interface Opened {
  promptTokens: number;
  planned: [position: number, rows: number][];
  observed: Observation[];
}
const opened: Opened[] = [];
const span = 8;

/** A policy whose plans change every eight positions, pin position 0 and say in `seed` which span they are for. */
function spanPolicy(couplesSequences: boolean): Policy {
  return {
    name: couplesSequences ? 'coupled' : 'single',
    budget: { skip: 0.5 },
    couplesSequences,
    open(start) {
      const record: Opened = { ...start, planned: [], observed: [] };
      opened.push(record);
      return {
        wantsScores: !couplesSequences,
        spanAt: (position) => span - (position % span),
        plan(position, rows): Plan {
          record.planned.push([position, rows]);
          const pinned = new Uint8Array(rows);
          if (position === 0) pinned[0] = 1;
          return { ...densePlan(4), scorer: 'random', seed: couplesSequences ? 1 : Math.floor(position / span), pinned };
        },
        observe: (observation) => void record.observed.push(observation),
        fork: () => {
          throw new Error('not asked');
        },
      };
    },
  };
}

vi.mock('@gateskip/scheduler', async (load) => ({
  ...(await load<typeof import('@gateskip/scheduler')>()),
  defaultPolicyName: 'single',
  createPolicy: (name: string) => spanPolicy(name === 'coupled'),
}));

interface Step {
  input: Pick<StepInput, 'want'> & { segments: { start: number; length: number; plan: number }[]; rows: number };
  plans: Plan[];
}

async function recordingEngine() {
  const steps: Step[] = [];
  const { engine } = await fakeEngine({
    before: ({ tokens, segments, want }, _, plans) => {
      steps.push({
        input: {
          rows: tokens.length,
          segments: segments.map(({ start, length, plan }) => ({ start, length, plan })),
          ...(want ? { want } : {}),
        },
        plans: plans.map((plan) => ({ ...plan, ...(plan.pinned ? { pinned: plan.pinned.slice() } : {}) })),
      });
    },
  });
  return { engine, steps };
}

beforeEach(() => {
  opened.length = 0;
});

describe('a policy', () => {
  it('is asked within its spans, told what each step did in order of position, and gives way to the kv mode asked', async () => {
    const { engine, steps } = await recordingEngine();
    await engine.generate({ tokens: new Array<number>(21).fill(1), maxTokens: 6, ignoreEnd: true, budget: { skip: 0.5 }, kv: 'absent' })
      .result;
    const record = opened[0] as Opened;
    expect(record.promptTokens).toBe(21);
    const expected = [
      [0, 8],
      [8, 8],
      [16, 5],
      [21, 1],
      [22, 1],
      [23, 1],
      [24, 1],
      [25, 1],
    ]; // prettier-ignore
    expect(record.planned).toEqual(expected);
    expect(record.observed.map(({ position, rows }) => [position, rows])).toEqual(expected);
    for (const { rows, kept, scores, macs, denseMacs } of record.observed) {
      expect([...Array.from(kept), scores?.length, macs, denseMacs]).toEqual([rows, rows, rows, rows, 4 * rows, 100 * rows, 100 * rows]);
    }
    expect(steps.every((step) => step.plans.every((plan) => plan.kv === 'absent') && step.input.want?.scores === true)).toBe(true);
    expect(steps.map((step) => step.plans[0]?.seed)).toEqual([0, 1, 2, 2, 2, 2, 3, 3]);
    expect(steps.map((step) => Array.from(step.plans[0]?.pinned ?? []).indexOf(1))).toEqual([0, -1, -1, -1, -1, -1, -1, -1]);
  });

  it('of one sequence has its own plan, with pinned rows at their places in the step', async () => {
    const { engine, steps } = await recordingEngine();
    const request = { maxTokens: 2, ignoreEnd: true, budget: { skip: 0.5 } };
    await Promise.all([
      engine.generate({ ...request, tokens: [1, 2, 3] }).result,
      engine.generate({ ...request, tokens: [4, 5], budget: undefined }).result,
      engine.generate({ ...request, tokens: [6, 7, 8, 9] }).result,
    ]);
    const first = steps[0] as Step;
    // Prompts come in turns, so any of them may be first.
    expect(first.plans.map((plan) => plan.scorer).sort()).toEqual(['none', 'random', 'random']);
    expect(new Set(first.input.segments.map((segment) => segment.plan)).size).toBe(3);
    for (const plan of first.plans) expect(plan.pinned).toHaveLength(9);
    for (const { start, length, plan } of first.input.segments) {
      const own = Array.from(first.plans[plan]?.pinned?.subarray(start, start + length) ?? []);
      expect(own.indexOf(1)).toBe(first.plans[plan]?.scorer === 'random' ? 0 : -1);
    }
    // Each hears of its own rows only.
    for (const record of opened) {
      for (const { rows, kept } of record.observed) expect(Array.from(kept)).toEqual([rows, rows, rows, rows]);
    }
  });

  it('that couples sequences gets one plan for all of the same budget; shares are counted row by row', async () => {
    const { engine, steps } = await recordingEngine();
    const request = { maxTokens: 3, ignoreEnd: true, policy: 'coupled' };
    const results = await Promise.all([
      engine.generate({ ...request, tokens: [1, 2, 3], budget: { skip: 0.5 } }).result,
      engine.generate({ ...request, tokens: [4, 5], budget: { skip: 0.5 } }).result,
      engine.generate({ ...request, tokens: [6, 7], budget: { skip: 0.25 } }).result,
    ]);
    for (const step of steps) {
      expect(step.plans).toHaveLength(2);
      expect(step.input.want?.keptRows).toBe(true);
    }
    const pinned = steps[0]?.plans.map((plan) => Array.from(plan.pinned ?? []).filter((flag) => flag === 1).length);
    expect(pinned).toEqual([3, 3]);
    // The fake keeps every row: each request's share is its own rows, whoever shared its plan.
    for (const result of results) expect(result.skip.branches).toEqual([0, 0, 0, 0]);
    expect(opened.map((record) => record.observed.reduce((sum, { rows }) => sum + rows, 0)).sort()).toEqual([4, 4, 5]);
    for (const record of opened) for (const { rows, kept } of record.observed) expect(Array.from(kept)).toEqual([rows, rows, rows, rows]);
  });
});
