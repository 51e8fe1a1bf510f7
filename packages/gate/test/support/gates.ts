import type { GateNumbers, GateParameters, GateSpec, GateVariant } from '@gateskip/gate';
import { createGateSet } from '@gateskip/gate';

export const VARIANTS: readonly GateVariant[] = ['vector', 'scalar', 'mlp', 'low-rank', 'hybrid'];

export function specOf(variant: GateVariant, other: Partial<GateSpec> = {}): GateSpec {
  return { variant, sharing: 'separate', position: 'before', multiplies: true, rank: 2, hidden: 3, ...other };
}

/** One gate with weights large enough that every path carries gradient. */
export function lively(spec: GateSpec, hiddenSize: number, seed: number): GateParameters {
  return createGateSet(spec, { layers: 1, hiddenSize }, { seed, biasStart: 0.3, weightStandardDeviation: 0.7 }).gates[0]!;
}

export function inDoublePrecision(parameters: GateParameters): { [name in keyof GateParameters]: Float64Array } & GateNumbers {
  return Object.fromEntries(Object.entries(parameters).map(([name, values]) => [name, Float64Array.from(values)])) as {
    [name in keyof GateParameters]: Float64Array;
  } & GateNumbers;
}

/** Deterministic numbers in (-1, 1). */
export function numbers(length: number, seed: number): Float64Array {
  let state = seed >>> 0;
  return Float64Array.from({ length }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2147483648 - 1;
  });
}

export const sumOfAbsolutes = (values: ArrayLike<number>): number => Array.from(values).reduce((sum, value) => sum + Math.abs(value), 0);
