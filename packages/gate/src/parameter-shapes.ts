import { InvalidArgumentError, UnsupportedError } from '@gateskip/errors';
import type { GateParameters, GateSpec } from './gate-set.js';

/** Name of one array of a gate. */
export type GateParameterName = keyof GateParameters;

/** Bounds of sizes that come from outside: wide enough for any published model, small enough to allocate safely. */
export const LARGEST_WIDTH = 65_536;

/** Shapes of the arrays that a gate of this kind has, row-major, by name. */
export type GateParameterShapes = Partial<Record<GateParameterName, readonly number[]>>;

/**
 * Shapes of a gate's arrays.
 *
 * @throws InvalidArgumentError for a width, rank or inner width that is not an integer in 1..65536; UnsupportedError for
 *   an unknown variant.
 */
export function gateParameterShapes(spec: GateSpec, hiddenSize: number): GateParameterShapes {
  const d = checkWidth('Hidden size', hiddenSize);
  switch (spec.variant) {
    case 'vector':
      return { weight: [d, d], bias: [d] };
    case 'scalar':
      return { weight: [1, d], bias: [1] };
    case 'mlp': {
      const hidden = checkWidth('Inner width `hidden` of mlp gates', spec.hidden);
      return { weight: [d, hidden], bias: [d], down: [hidden, d], downBias: [hidden] };
    }
    case 'low-rank': {
      const rank = checkWidth('Rank of low-rank gates', spec.rank);
      return { weight: [d, rank], bias: [d], down: [rank, d] };
    }
    case 'hybrid':
      return { weight: [d, d], bias: [d], scalarWeight: [d], scalarBias: [1] };
    default:
      throw new UnsupportedError(
        `Gate variant ${JSON.stringify(spec.variant)} is not known.`,
        'Use vector, scalar, mlp, low-rank or hybrid.',
      );
  }
}

/** Width of a gate's output: 1 for `scalar`, d for all others. */
export function gateOutputWidth(spec: GateSpec, hiddenSize: number): number {
  return spec.variant === 'scalar' ? 1 : hiddenSize;
}

/** Number of elements of a shape. */
export function shapeLength(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}

function checkWidth(what: string, value: number | undefined): number {
  if (value === undefined || !Number.isInteger(value) || value < 1 || value > LARGEST_WIDTH) {
    throw new InvalidArgumentError(`${what} must be an integer in 1..${LARGEST_WIDTH}, got ${value}.`, '', { what, got: value });
  }
  return value;
}
