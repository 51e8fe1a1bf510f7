import { describe, expect, it } from 'vitest';
import { type BranchRow, predictBranch } from '../src/fit/branch-scores.js';
import type { Traces } from '../src/fit/collect-traces.js';
import { correctByCosts } from '../src/fit/cost-correction.js';
import type { BranchCosts } from '../src/fit/skip-costs.js';
import { Pacer } from '../src/progress.js';

const SIZE = 6;
const ROWS = 60_000;
const FIT_ROWS = 54_000;
let state = 7;
const uniform = (): number => {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
  return (state + 0.5) / 4294967296;
};
const normal = (): number => Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform());
const inputs = Float32Array.from({ length: ROWS * SIZE }, normal);
const traces: Traces = {
  rows: ROWS,
  size: SIZE,
  inputs: [inputs],
  outputs: [inputs],
  streamSquaredNorms: [new Float64Array(ROWS)],
  fitRows: FIT_ROWS,
};
const base: BranchRow = { weight: Float64Array.of(1, 0, 0, 0, 0, 0), bias: 0.5 };
const logits = predictBranch(traces, 0, base);
const pacer = new Pacer('test');

/** Costs of the rows whose logit is low, by a rule and noise twice as large. */
function seen(rule: (row: number) => number, most = ROWS): BranchCosts {
  const rows = Array.from({ length: ROWS }, (_, row) => row)
    .filter((row) => logits[row]! < 0.5)
    .slice(0, most);
  return { rows, costs: rows.map((row) => rule(row) + 2 * normal()) };
}
const input = (row: number, column: number): number => inputs[row * SIZE + column]!;
const correct = async (costs: BranchCosts): Promise<BranchRow> => (await correctByCosts(traces, [base], [costs], 24, pacer))[0]!;

describe('correctByCosts', () => {
  it('adds what the inputs say of the cost to what the logits said', async () => {
    const { weight, bias } = await correct(seen((row) => 1 + 0.2 * logits[row]! + 0.5 * input(row, 3)));
    // z + 6 (a z + b + x·δ), the ridge of 30,000 rows against 27,000 of fitted ones takes about half of δ.
    expect(weight[0]).toBeCloseTo(1 + 6 * 0.2, 0);
    expect(weight[3]).toBeGreaterThan(6 * 0.5 * 0.35);
    expect(weight[3]).toBeLessThan(6 * 0.5 * 0.65);
    for (const column of [1, 2, 4, 5]) expect(Math.abs(weight[column]!)).toBeLessThan(0.15);
    expect(bias).toBeCloseTo(0.5 + 6 * (1 + 0.2 * 0.5), 0);
  });

  it('never lets costs turn the logits around', async () => {
    const { weight } = await correct(seen((row) => 1 - 0.4 * logits[row]!));
    // As an input, against the ridge, it may say so; as a logit not.
    expect(weight[0]).toBeGreaterThan(1 - 6 * 0.4 * 0.65);
  });

  it('leaves a branch as it is of which too little is known', async () => {
    expect(await correct({ rows: [], costs: [] })).toEqual(base);
    expect(await correct(seen(() => 1, 63))).toEqual(base);
    expect(await correct(seen(() => 1, 64))).not.toEqual(base);
  });
});
