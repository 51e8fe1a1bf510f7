import { InvalidArgumentError, ShapeMismatchError, UnsupportedError } from '@gateskip/errors';
import { createGateSet, GateNotFiniteError, type GateSet, type GateVariant, gateForward, validateGateSet } from '@gateskip/gate';
import { describe, expect, it } from 'vitest';
import { specOf, VARIANTS } from './support/gates.js';

const shape = { layers: 2, hiddenSize: 4 };
const make = (variant: GateVariant, sharing: 'separate' | 'shared' = 'separate'): GateSet =>
  createGateSet(specOf(variant, { sharing }), shape, { seed: 1 });

describe('validateGateSet', () => {
  it.each(VARIANTS)('accepts what createGateSet makes: %s', (variant) => {
    validateGateSet(make(variant), shape);
    validateGateSet(make(variant, 'shared'), shape);
    validateGateSet({ ...make(variant), standIns: Array.from({ length: 4 }, () => new Float32Array(4)) }, shape);
  });

  it.each(VARIANTS)('names both shapes where an array is too short: %s', (variant) => {
    const set = make(variant);
    const gates = [...set.gates];
    gates[2] = { ...gates[2]!, weight: gates[2]!.weight.subarray(1) };
    expect(() => validateGateSet({ ...set, gates }, shape)).toThrow(ShapeMismatchError);
    expect(() => validateGateSet({ ...set, gates }, shape)).toThrow(/branch 2 .*expected shape .*got/);
  });

  it('refuses missing and superfluous arrays, another width, another depth, wrong stand-ins', () => {
    const set = make('hybrid');
    const { scalarBias: _, ...without } = set.gates[0]!;
    expect(() => validateGateSet({ ...set, gates: [without, ...set.gates.slice(1)] }, shape)).toThrow(ShapeMismatchError);
    expect(() => validateGateSet({ ...set, spec: specOf('vector') }, shape)).toThrow(/no such array/);
    expect(() => validateGateSet(set, { ...shape, hiddenSize: 5 })).toThrow(ShapeMismatchError);
    expect(() => validateGateSet(set, { ...shape, layers: 3 })).toThrow(ShapeMismatchError);
    expect(() => validateGateSet({ ...set, standIns: [] }, shape)).toThrow(ShapeMismatchError);
    const standIns = Array.from({ length: 4 }, () => new Float32Array(3));
    expect(() => validateGateSet({ ...set, standIns }, shape)).toThrow(ShapeMismatchError);
  });

  it('accepts maps of stand-ins of one rank, and refuses others', () => {
    const standIns = Array.from({ length: 4 }, () => new Float32Array(4));
    const maps = (rank: number) => Array.from({ length: 4 }, () => ({ down: new Float32Array(rank * 4), up: new Float32Array(4 * rank) }));
    const set = { ...make('scalar'), standIns };
    validateGateSet({ ...set, standInMaps: maps(1) }, shape);
    validateGateSet({ ...set, standInMaps: maps(4) }, shape);
    expect(() => validateGateSet({ ...make('scalar'), standInMaps: maps(1) }, shape)).toThrow(/no stand-ins/);
    expect(() => validateGateSet({ ...set, standInMaps: maps(2).slice(1) }, shape)).toThrow(ShapeMismatchError);
    expect(() => validateGateSet({ ...set, standInMaps: [...maps(2).slice(1), ...maps(1).slice(1)] }, shape)).toThrow(ShapeMismatchError);
    for (const rank of [0, 0.25, 5]) expect(() => validateGateSet({ ...set, standInMaps: maps(rank) }, shape)).toThrow(/rank/);
    const spoiled = maps(2);
    spoiled[3]!.up[5] = Number.NaN;
    expect(() => validateGateSet({ ...set, standInMaps: spoiled }, shape)).toThrow(/up of the stand-in of branch 3/);
  });

  it('refuses NaN and infinities, and says where', () => {
    for (const bad of [Number.NaN, Number.POSITIVE_INFINITY]) {
      const set = make('scalar');
      set.gates[3]!.weight[2] = bad;
      expect(() => validateGateSet(set, shape)).toThrow(GateNotFiniteError);
      expect(() => validateGateSet(set, shape)).toThrow(/Element 2 of the weight of the gate of branch 3/);
    }
  });

  it('refuses gates that are declared shared and differ', () => {
    const set = make('scalar');
    expect(() => validateGateSet({ ...set, spec: { ...set.spec, sharing: 'shared' } }, shape)).toThrow(InvalidArgumentError);
  });
});

describe('sizes from outside', () => {
  it.each([0, -1, 1.5, Number.NaN, 2 ** 20])('refuses width %d before allocating', (hiddenSize) => {
    expect(() => createGateSet(specOf('vector'), { layers: 1, hiddenSize }, { seed: 1 })).toThrow(InvalidArgumentError);
  });

  it('refuses a set too large to be meant', () => {
    expect(() => createGateSet(specOf('vector'), { layers: 64, hiddenSize: 32768 }, { seed: 1 })).toThrow(/at most/);
    expect(() => createGateSet(specOf('scalar'), { layers: 1e9, hiddenSize: 1 }, { seed: 1 })).toThrow(InvalidArgumentError);
  });

  it('refuses a missing rank or inner width, an unknown variant, bad seeds', () => {
    expect(() => createGateSet({ ...specOf('low-rank'), rank: undefined } as never, shape, { seed: 1 })).toThrow(/[Rr]ank/);
    expect(() => createGateSet({ ...specOf('mlp'), hidden: 0 }, shape, { seed: 1 })).toThrow(/hidden/);
    expect(() => createGateSet(specOf('cubic' as GateVariant), shape, { seed: 1 })).toThrow(UnsupportedError);
    expect(() => createGateSet(specOf('scalar'), shape, { seed: -1 })).toThrow(InvalidArgumentError);
  });

  it('refuses an input that is not [rows, d]', () => {
    const { spec, gates } = make('vector');
    expect(() => gateForward(spec, gates[0]!, new Float32Array(7), 2, 4)).toThrow(ShapeMismatchError);
    expect(() => gateForward(spec, gates[0]!, new Float32Array(8), -2, 4)).toThrow(InvalidArgumentError);
  });
});
