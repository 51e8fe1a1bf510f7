import {
  applyGate,
  applyGateBackward,
  applyStandIn,
  applyStandInBackward,
  createGateSet,
  createGradientSet,
  gateBackward,
  gateForward,
} from '@gateskip/gate';
import { describe, expect, it } from 'vitest';
import { expectGradient } from './support/finite-difference.js';
import { inDoublePrecision, lively, numbers, specOf, sumOfAbsolutes, VARIANTS } from './support/gates.js';

const rows = 3;
const d = 5;
const dot = (a: ArrayLike<number>, b: ArrayLike<number>): number => Array.from(a).reduce((sum, value, i) => sum + value * b[i]!, 0);

describe.each(VARIANTS)('%s gate', (variant) => {
  const spec = specOf(variant);
  const width = variant === 'scalar' ? 1 : d;

  it.each([
    ['output', true, false],
    ['score', false, true],
    ['output and score', true, true],
  ])('has exact gradients through its %s', (_, throughOutput, throughScore) => {
    const parameters = inDoublePrecision(lively(spec, d, 11));
    const input = numbers(rows * d, 3);
    const output = numbers(rows * width, 4);
    const score = numbers(rows, 5);
    const upstream = { ...(throughOutput && { output }), ...(throughScore && { score }) };
    const loss = () => {
      const forward = gateForward(spec, parameters, input, rows, d);
      return (throughOutput ? dot(forward.output, output) : 0) + (throughScore ? dot(forward.score, score) : 0);
    };
    const forward = gateForward(spec, parameters, input, rows, d);
    const result = gateBackward(spec, parameters, forward.saved, upstream, { detachInput: false });
    const scale = sumOfAbsolutes(output) + sumOfAbsolutes(score);
    for (const [name, values] of Object.entries(parameters)) {
      expectGradient(name, loss, values as Float64Array, result.parameters[name as 'weight'], scale);
    }
    expectGradient('input', loss, input, result.input!, scale);
  });

  it('detaches its input unless asked otherwise', () => {
    const parameters = lively(spec, d, 2);
    const forward = gateForward(spec, parameters, Float32Array.from(numbers(rows * d, 9)), rows, d);
    expect(gateBackward(spec, parameters, forward.saved, { score: new Float32Array(rows).fill(1) }).input).toBeUndefined();
  });

  it('sums the gradients of branches that share a gate', () => {
    const shared = createGateSet({ ...spec, sharing: 'shared' }, { layers: 2, hiddenSize: d }, { seed: 5 });
    expect(shared.gates[0]).toBe(shared.gates[2]);
    expect(shared.gates[0]).not.toBe(shared.gates[1]);
    const gradients = createGradientSet(shared);
    expect(new Set(gradients).size).toBe(2);
    const alone: number[][] = [];
    for (const branch of [0, 2]) {
      const input = numbers(rows * d, 20 + branch);
      const gate = inDoublePrecision(shared.gates[branch]!);
      const { saved } = gateForward(shared.spec, gate, input, rows, d);
      const score = numbers(rows, branch);
      alone.push([...gateBackward(shared.spec, gate, saved, { score }).parameters.weight]);
      gateBackward(shared.spec, gate, saved, { score }, { into: gradients[branch]! });
    }
    gradients[0]!.weight.forEach((value, i) => {
      const [first, second] = [alone[0]![i]!, alone[1]![i]!];
      // Adding row by row instead of branch by branch reorders at most 2 * rows terms.
      expect(Math.abs(value - (first + second))).toBeLessThanOrEqual(
        2 * rows * Number.EPSILON * (Math.abs(first) + Math.abs(second) + 1e-3),
      );
    });
  });
});

it.each([1, d])('applies a gate of width %i with exact gradients', (width) => {
  const branch = numbers(rows * d, 1);
  const gate = numbers(rows * width, 2);
  const upstream = numbers(rows * d, 3);
  const loss = () => dot(applyGate(branch, gate, rows, d), upstream);
  const result = applyGateBackward(branch, gate, upstream, rows, d);
  expectGradient('branch', loss, branch, result.branch, rows * d);
  expectGradient('gate', loss, gate, result.gate, rows * d);
});

it('puts the stand-in in place of skipped rows with exact gradients', () => {
  const branch = numbers(rows * d, 1);
  const standIn = numbers(d, 2);
  const upstream = numbers(rows * d, 3);
  const kept = Uint8Array.of(0, 1, 0);
  const output = applyStandIn(branch, kept, standIn, rows, d);
  expect([...output.subarray(0, d)]).toEqual([...standIn]);
  expect([...output.subarray(d, 2 * d)]).toEqual([...branch.subarray(d, 2 * d)]);
  expect(sumOfAbsolutes(applyStandIn(branch, kept, undefined, rows, d).subarray(0, d))).toBe(0);
  const loss = () => dot(applyStandIn(branch, kept, standIn, rows, d), upstream);
  const result = applyStandInBackward(upstream, kept, rows, d);
  expectGradient('branch', loss, branch, result.branch, rows * d);
  expectGradient('stand-in', loss, standIn, result.standIn, rows * d);
});
