import { describe, expect, it } from 'vitest';
import type { Traces } from '../src/fit/collect-traces.js';
import { meanStandIn, relativeLoss } from '../src/fit/stand-ins.js';

const rows = 60;
const outputs = Float32Array.from({ length: rows * 2 }, (_, at) => Math.sin(at));
const traces: Traces = {
  rows,
  size: 2,
  fitRows: 50,
  inputs: [new Float32Array(rows * 2)],
  outputs: [outputs],
  streamSquaredNorms: [Float64Array.from({ length: rows }, (_, row) => 1 + row)],
};

describe('stand-ins', () => {
  it('are means over the fitted rows that would skip, shrunk where few', () => {
    const scores = Float64Array.from({ length: rows }, (_, row) => row / rows);
    const standIn = meanStandIn(traces, 0, scores, 0.5);
    const skipping = Array.from({ length: 31 }, (_, row) => row);
    for (const j of [0, 1]) {
      const sum = skipping.reduce((total, row) => total + (outputs[2 * row + j] as number), 0);
      expect(standIn[j]).toBe(Math.fround(sum / (skipping.length + 20)));
    }
    // Held-out rows do not count, however low their score.
    expect(meanStandIn(traces, 0, new Float64Array(rows).fill(0).fill(-1, 50), -0.5)).toEqual(new Float32Array(2));
  });

  it('lower the loss that a skip means, on average', () => {
    const standIn = meanStandIn(traces, 0, new Float64Array(rows), 1);
    const mean = (values: Float64Array): number => values.slice(0, 50).reduce((sum, value, row) => sum + value * (1 + row), 0) / 50;
    expect(mean(relativeLoss(traces, 0, { vector: standIn }))).toBeLessThan(mean(relativeLoss(traces, 0, { vector: new Float32Array(2) })));
    const first = relativeLoss(traces, 0, { vector: new Float32Array(2) })[3] as number;
    expect(first).toBeCloseTo(((outputs[6] as number) ** 2 + (outputs[7] as number) ** 2) / 4, 14);
  });
});
