import { InvalidArgumentError, ShapeMismatchError } from '@gateskip/errors';
import { type BranchGates, type GateLoss, gateDensityLoss, gateL1Loss, gateL2Loss, straightThrough } from '@gateskip/gate';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { expectGradient } from './support/finite-difference.js';
import { numbers } from './support/gates.js';

/** Gate outputs well inside (0, 1). */
const gates = (length: number, seed: number) => numbers(length, seed).map((value) => 0.5 + 0.4 * value);

const losses: readonly [string, (branches: readonly BranchGates[], valid?: Uint8Array) => GateLoss][] = [
  ['L2', gateL2Loss],
  ['L1', gateL1Loss],
  ['density', (branches, valid) => gateDensityLoss(branches, 0.3, valid)],
];

describe.each(losses)('%s loss', (_, loss) => {
  it.each([undefined, Uint8Array.of(1, 0, 1, 1)])('has the exact gradient (valid rows %o)', (valid) => {
    const outputs = [gates(4, 1), gates(12, 2)];
    const branches = [
      { output: outputs[0]!, width: 1 },
      { output: outputs[1]!, width: 3 },
    ];
    const { gradients } = loss(branches, valid);
    for (const [branch, output] of outputs.entries()) {
      expectGradient(`branch ${branch}`, () => loss(branches, valid).value, output, gradients[branch]!, 4);
    }
  });

  it('stays finite for saturated gates and without a valid row', () => {
    for (const fill of [0, 1]) {
      const branches = [{ output: new Float32Array(6).fill(fill), width: 2 }];
      for (const valid of [undefined, new Uint8Array(3)]) {
        const { value, gradients } = loss(branches, valid);
        expect(Number.isFinite(value)).toBe(true);
        expect(gradients[0]!.every(Number.isFinite)).toBe(true);
      }
    }
  });

  it('refuses outputs that are no rows of that width', () => {
    expect(() => loss([{ output: new Float32Array(5), width: 2 }])).toThrow(ShapeMismatchError);
    expect(() => loss([{ output: new Float32Array(4), width: 2 }], new Uint8Array(3))).toThrow(ShapeMismatchError);
  });
});

it('weighs branches equally, whatever their widths', () => {
  const branches = [
    { output: new Float64Array(2).fill(0.5), width: 1 },
    { output: new Float64Array(8).fill(1), width: 4 },
  ];
  expect(gateL2Loss(branches).value).toBeCloseTo((0.25 + 1) / 2, 14);
  expect(gateL1Loss(branches).value).toBeCloseTo((0.5 + 1) / 2, 14);
});

it('density loss is zero at the target, positive elsewhere, and refuses shares outside 0..1', () => {
  fc.assert(
    fc.property(fc.double({ min: 0.01, max: 0.99, noNaN: true }), fc.double({ min: 0.01, max: 0.99, noNaN: true }), (mean, target) => {
      const { value } = gateDensityLoss([{ output: Float64Array.of(mean, mean), width: 1 }], target);
      // Pinsker: KL >= 2 (difference)^2, less the rounding of the logarithms.
      expect(value).toBeGreaterThanOrEqual(2 * (mean - target) ** 2 - 8 * Number.EPSILON);
      if (mean === target) expect(value).toBeLessThanOrEqual(8 * Number.EPSILON);
    }),
  );
  expect(() => gateDensityLoss([], 1.2)).toThrow(InvalidArgumentError);
});

describe('straightThrough', () => {
  const rows = 4;
  const d = 3;
  const branch = numbers(rows * d, 1);
  const standIn = numbers(d, 2);
  const upstream = numbers(rows * d, 3);
  const score = Float64Array.of(0.2, 0.5, 0.8, 0.1);

  it('skips hard at score <= threshold, pinned rows never', () => {
    const { kept, output } = straightThrough({ branch, standIn, score, threshold: 0.5, pinned: Uint8Array.of(0, 0, 0, 1), rows, d });
    expect([...kept]).toEqual([0, 0, 1, 1]);
    expect([...output.subarray(0, d)]).toEqual([...standIn]);
    expect([...output.subarray(2 * d)]).toEqual([...branch.subarray(2 * d)]);
  });

  it('gives the score the loss difference of keeping over skipping, the slope of the soft gate times that with a temperature', () => {
    // Soft counterpart with the same first-order meaning: y = k branch + (1 - k) stand-in, differentiated in k.
    const plain = straightThrough({ branch, standIn, score, threshold: 0.5, rows, d }).backward(upstream);
    const keep = Float64Array.of(0.5, 0.5, 0.5, 0.5);
    const mixed = () => {
      let loss = 0;
      for (let i = 0; i < rows * d; i++) {
        const k = keep[Math.floor(i / d)]!;
        loss += upstream[i]! * (k * branch[i]! + (1 - k) * standIn[i % d]!);
      }
      return loss;
    };
    expectGradient('keep', mixed, keep, plain.score, rows * d);
    const soft = Float64Array.from(score);
    const temperature = 0.1;
    const softened = () => {
      for (let row = 0; row < rows; row++) keep[row] = 1 / (1 + Math.exp((0.5 - soft[row]!) / temperature));
      return mixed();
    };
    const tempered = straightThrough({ branch, standIn, score, threshold: 0.5, temperature, rows, d }).backward(upstream);
    expectGradient('score', softened, soft, tempered.score, (rows * d) / temperature);
  });

  it('gives branch and stand-in their exact gradients and pinned scores none', () => {
    const pinned = Uint8Array.of(1, 0, 0, 0);
    const variable = Float64Array.from(branch);
    const stand = Float64Array.from(standIn);
    const loss = () => {
      const { output } = straightThrough({ branch: variable, standIn: stand, score, threshold: 0.5, pinned, rows, d });
      return output.reduce((sum, value, i) => sum + value * upstream[i]!, 0);
    };
    const result = straightThrough({ branch, standIn, score, threshold: 0.5, pinned, rows, d }).backward(upstream);
    expectGradient('branch', loss, variable, result.branch, rows * d);
    expectGradient('stand-in', loss, stand, result.standIn, rows * d);
    expect(result.score[0]).toBe(0);
  });
});
