import { InvalidArgumentError, ShapeMismatchError } from '@gateskip/errors';
import { GateNotFiniteError } from './errors.js';
import type { GateParameters, GateSet, GateSpec, StandInMap } from './gate-set.js';
import { type GateParameterName, gateParameterShapes, shapeLength } from './parameter-shapes.js';
import { branchCount, type ModelShape } from './shape.js';

const NAMES: readonly GateParameterName[] = ['weight', 'bias', 'down', 'downBias', 'scalarWeight', 'scalarBias'];

/** @throws InvalidArgumentError where a field of the spec is not one of its words */
export function validateGateSpec(spec: GateSpec): void {
  if (spec.sharing !== 'separate' && spec.sharing !== 'shared') {
    throw new InvalidArgumentError(`Gate sharing ${JSON.stringify(spec.sharing)} is not known.`, 'Use separate or shared.');
  }
  if (spec.position !== 'before' && spec.position !== 'after') {
    throw new InvalidArgumentError(`Gate position ${JSON.stringify(spec.position)} is not known.`, 'Use before or after.');
  }
  if (typeof spec.multiplies !== 'boolean')
    throw new InvalidArgumentError(`multiplies must be true or false, got ${String(spec.multiplies)}.`);
}

/**
 * Checks that gates fit a model: one gate per branch, every array of its variant with the right length and no other,
 * finite numbers, shared gates equal, stand-ins one per branch.
 *
 * @throws ShapeMismatchError with both shapes, GateNotFiniteError, InvalidArgumentError, UnsupportedError
 */
export function validateGateSet(set: GateSet, shape: Pick<ModelShape, 'layers' | 'hiddenSize'>): void {
  validateGateSpec(set.spec);
  const branches = branchCount(shape);
  if (set.hiddenSize !== shape.hiddenSize) {
    throw new ShapeMismatchError('Width of the gates', [shape.hiddenSize], [set.hiddenSize], 'They were made for another model.');
  }
  if (set.gates.length !== branches) {
    throw new ShapeMismatchError('Gates, one per branch', [branches], [set.gates.length], 'They were made for another model.');
  }
  const checked = new Set<GateParameters>();
  for (const [branch, parameters] of set.gates.entries()) {
    if (checked.has(parameters)) continue;
    checked.add(parameters);
    validateGateParameters(set.spec, parameters, set.hiddenSize, `gate of branch ${branch}`);
    for (const name of NAMES) checkFinite(`${name} of the gate of branch ${branch}`, parameters[name]);
    if (set.spec.sharing === 'shared') checkEqual(set.gates[branch % 2]!, parameters, branch);
  }
  if (set.standIns === undefined) {
    if (set.standInMaps !== undefined)
      throw new InvalidArgumentError('Gates have maps of stand-ins, but no stand-ins.', 'Add the stand-ins, zeros where they are nothing.');
    return;
  }
  if (set.standIns.length !== branches) throw new ShapeMismatchError('Stand-ins, one per branch', [branches], [set.standIns.length]);
  for (const [branch, standIn] of set.standIns.entries()) {
    if (standIn.length !== set.hiddenSize) throw new ShapeMismatchError(`Stand-in of branch ${branch}`, [set.hiddenSize], [standIn.length]);
    checkFinite(`stand-in of branch ${branch}`, standIn);
  }
  if (set.standInMaps !== undefined) validateStandInMaps(set.standInMaps, branches, set.hiddenSize);
}

/** One map per branch, all of the first one's rank, which is no more than the width; finite numbers. */
function validateStandInMaps(maps: readonly StandInMap[], branches: number, d: number): void {
  if (maps.length !== branches) throw new ShapeMismatchError('Maps of stand-ins, one per branch', [branches], [maps.length]);
  const rank = maps[0]!.down.length / d;
  if (!Number.isInteger(rank) || rank < 1 || rank > d)
    throw new InvalidArgumentError(`The rank of the maps of stand-ins must be an integer in 1..${d}, got ${rank}.`);
  for (const [branch, map] of maps.entries()) {
    for (const name of ['down', 'up'] as const) {
      const expected = name === 'down' ? [rank, d] : [d, rank];
      if (map[name].length !== rank * d)
        throw new ShapeMismatchError(`${name} of the stand-in of branch ${branch}`, expected, [map[name].length]);
      checkFinite(`${name} of the stand-in of branch ${branch}`, map[name]);
    }
  }
}

/** Lengths only: cheap enough for every forward call. */
export function validateGateParameters(
  spec: GateSpec,
  parameters: Partial<Record<GateParameterName, { readonly length: number }>>,
  hiddenSize: number,
  owner: string,
): void {
  const shapes = gateParameterShapes(spec, hiddenSize);
  for (const name of NAMES) {
    const expected = shapes[name];
    const got = parameters[name];
    if (expected === undefined && got === undefined) continue;
    if (expected === undefined) {
      throw new ShapeMismatchError(`${name} of the ${owner} (${spec.variant})`, null, [got!.length], 'This variant has no such array.');
    }
    if (got?.length !== shapeLength(expected)) {
      throw new ShapeMismatchError(`${name} of the ${owner} (${spec.variant})`, expected, got === undefined ? null : [got.length]);
    }
  }
}

function checkFinite(what: string, values: Float32Array | undefined): void {
  if (values === undefined) return;
  for (let i = 0; i < values.length; i++) if (!Number.isFinite(values[i]!)) throw new GateNotFiniteError(what, i, values[i]!);
}

function checkEqual(first: GateParameters, other: GateParameters, branch: number): void {
  for (const name of NAMES) {
    const a = first[name];
    const b = other[name];
    if (a !== b && a?.some((value, i) => value !== b![i])) {
      throw new InvalidArgumentError(
        `Gates are declared shared, but ${name} of branch ${branch} differs from branch ${branch % 2}.`,
        'Declare them separate, or repeat the same gate.',
      );
    }
  }
}
