import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { choleskyInPlace, solveCholesky } from '../src/fit/cholesky.js';
import type { Traces } from '../src/fit/collect-traces.js';
import { fitStandInMap, mapOf } from '../src/fit/stand-in-maps.js';
import { relativeLoss } from '../src/fit/stand-ins.js';
import { fitAdapter } from '../src/index.js';
import { Pacer } from '../src/progress.js';
import { fitRequest } from './fit-request.js';

const [rows, fitRows, d, rank] = [500, 400, 12, 3];
const pacer = new Pacer('test');

/** Seeded numbers of about -1..1. */
function numbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 31 - 1;
  };
}

/** One branch whose output is `constant + up (down x)` of rank 3 and some noise. */
function tracesOf(noise: number, strength = 1): Traces {
  const draw = numbers(7);
  const down = Float64Array.from({ length: rank * d }, draw);
  const up = Float64Array.from({ length: d * rank }, draw);
  const constant = Float64Array.from({ length: d }, draw);
  const inputs = Float32Array.from({ length: rows * d }, () => 0.5 + draw());
  const outputs = new Float32Array(rows * d);
  for (let row = 0; row < rows; row++) {
    for (let i = 0; i < d; i++) {
      let sum = constant[i] as number;
      for (let k = 0; k < rank; k++)
        for (let j = 0; j < d; j++)
          sum += strength * (up[i * rank + k] as number) * (down[k * d + j] as number) * (inputs[row * d + j] as number);
      outputs[row * d + i] = sum + noise * draw();
    }
  }
  return { rows, size: d, inputs: [inputs], outputs: [outputs], streamSquaredNorms: [new Float64Array(rows).fill(1)], fitRows };
}

const meanOf = ({ outputs }: Traces): Float32Array =>
  Float32Array.from({ length: d }, (_, i) => {
    let sum = 0;
    for (let row = 0; row < fitRows; row++) sum += (outputs[0] as Float32Array)[row * d + i] as number;
    return sum / fitRows;
  });
/** Mean loss over held-out rows. */
const heldOut = (losses: Float64Array): number => losses.slice(fitRows).reduce((sum, value) => sum + value, 0) / (rows - fitRows);
const allSkip = new Float64Array(rows);

describe('maps of stand-ins', () => {
  it('find a low-rank function of the input, but for the ridge and bfloat16', async () => {
    const traces = tracesOf(0);
    const alone = { vector: meanOf(traces) };
    const mapped = await fitStandInMap(traces, 0, allSkip, 0, alone.vector, rank, pacer);
    expect(heldOut(relativeLoss(traces, 0, mapped))).toBeLessThan(0.1 * heldOut(relativeLoss(traces, 0, alone)));
    for (const values of [mapped.map.down, mapped.map.up]) {
      const bits = new Uint32Array(values.buffer);
      expect(bits.every((value) => (value & 0xffff) === 0)).toBe(true);
      expect(values.some((value) => value !== 0)).toBe(true);
    }
  });

  it('of a lower rank keep the directions that explain most', async () => {
    const traces = tracesOf(0.05);
    const vector = meanOf(traces);
    const losses = await Promise.all(
      [1, 2, 3].map(async (count) => heldOut(relativeLoss(traces, 0, await fitStandInMap(traces, 0, allSkip, 0, vector, count, pacer)))),
    );
    expect(losses[0]).toBeLessThan(heldOut(relativeLoss(traces, 0, { vector })));
    expect(losses[1]).toBeLessThan(losses[0] as number);
    expect(losses[2]).toBeLessThan(losses[1] as number);
  });

  it('read no row above the threshold, and none that is held out', async () => {
    const traces = tracesOf(0.2);
    const scores = Float64Array.from({ length: rows }, (_, row) => (row % 2 === 0 ? 0.2 : 0.8));
    const before = await fitStandInMap(traces, 0, scores, 0.5, meanOf(traces), rank, pacer);
    const outputs = (traces.outputs[0] as Float32Array).map((value, at) => (Math.floor(at / d) % 2 === 1 ? -9 * value : value));
    const after = await fitStandInMap({ ...traces, outputs: [outputs] }, 0, scores, 0.5, meanOf(traces), rank, pacer);
    expect(after.map).toEqual(before.map);
  });

  it('are zero, with the vector as it was, where they do not help on held-out rows, or rows are few', async () => {
    const nothing = tracesOf(1, 0);
    const vector = meanOf(nothing);
    // Held-out rows that contradict the others.
    const outputs = (nothing.outputs[0] as Float32Array).slice();
    const related = tracesOf(0);
    for (let at = 0; at < fitRows * d; at++) outputs[at] = (related.outputs[0] as Float32Array)[at] as number;
    const contradicted = { ...related, outputs: [outputs.map((value, at) => (at < fitRows * d ? value : -value))] };
    const few = Float64Array.from({ length: rows }, (_, row) => (row < 20 ? 0 : 1));
    for (const [traces, scores] of [
      [contradicted, allSkip],
      [related, few],
    ] as const) {
      const fitted = await fitStandInMap(traces, 0, scores, 0.5, vector, rank, pacer);
      expect(fitted.vector).toEqual(vector);
      expect(fitted.map.down.every((value) => value === 0)).toBe(true);
      expect(mapOf(fitted.map, related.inputs[0] as Float32Array, 0, d)).toEqual(new Float64Array(d));
    }
  });

  it('come with a fitted adapter, unless rank 0 is asked for; protected branches have zeros', async () => {
    const { adapter, report } = await fitAdapter(fitRequest({ standInRank: 2, weightTokens: 0, curveShares: [0.3] }));
    const maps = adapter.gates.standInMaps ?? [];
    expect(maps).toHaveLength(8);
    expect(report.options.standInRank).toBe(2);
    expect(maps[0]?.up.every((value) => value === 0)).toBe(true);
    const plain = await fitAdapter(fitRequest({ standInRank: 0, weightTokens: 0, curveShares: [0.3] }));
    expect(plain.adapter.gates.standInMaps).toBeUndefined();
    expect(plain.adapter.gates.gates).toEqual(adapter.gates.gates);
  });
});

describe('Cholesky', () => {
  it('solves any positive definite system', () => {
    const property = fc.property(fc.integer({ min: 1, max: 9 }), fc.integer({ min: 1, max: 4 }), fc.nat(), (size, columns, seed) => {
      const draw = numbers(seed);
      const root = Float64Array.from({ length: size * size }, draw);
      const a = Float64Array.from({ length: size * size }, (_, at) => {
        const [i, j] = [Math.floor(at / size), at % size];
        let sum = i === j ? 0.5 : 0;
        for (let k = 0; k < size; k++) sum += (root[i * size + k] as number) * (root[j * size + k] as number);
        return sum;
      });
      const expected = Float64Array.from({ length: size * columns }, draw);
      const b = new Float64Array(size * columns);
      for (let i = 0; i < size; i++)
        for (let k = 0; k < size; k++)
          for (let c = 0; c < columns; c++) b[i * columns + c]! += (a[i * size + k] as number) * (expected[k * columns + c] as number);
      const l = a.slice();
      expect(choleskyInPlace(l, size)).toBe(true);
      solveCholesky(l, size, b, columns);
      for (const [at, value] of b.entries()) expect(value).toBeCloseTo(expected[at] as number, 8);
    });
    fc.assert(property, { numRuns: 100 });
  });

  it('says where a matrix is not positive definite', () => {
    expect(choleskyInPlace(Float64Array.of(1, 0, 2, 1), 2)).toBe(false);
    expect(choleskyInPlace(Float64Array.of(Number.NaN), 1)).toBe(false);
  });
});
