import type { GateParameters, GateSet, StandInMap } from '@gateskip/gate';
import { checkFinite, type Fail } from './check-json.js';
import { type GateField, gateShapes, standInMapFields, valueCount } from './gate-shapes.js';

/** Above this a float32 logistic function is 1 (below its negative, too small to matter): the gate says one thing only. */
const saturation = 17;

/** Checks a gate set's numbers: lengths by variant, finite, and no gate that is stuck at 0 or 1. */
export function checkGates(gates: GateSet, layers: number, fail: Fail): void {
  const { spec, hiddenSize } = gates;
  const shapes = gateShapes(spec, hiddenSize);
  if (gates.gates.length !== 2 * layers)
    fail(`it has ${gates.gates.length} gates, a model of ${layers} layers has ${2 * layers} branches.`);
  const seen = new Set<GateParameters>();
  for (const [branch, gate] of gates.gates.entries()) {
    if (seen.has(gate)) continue;
    seen.add(gate);
    for (const field of ['weight', 'bias', 'down', 'downBias', 'scalarWeight', 'scalarBias'] as GateField[]) {
      const shape = shapes.get(field);
      const values = gate[field];
      if ((shape === undefined) !== (values === undefined))
        fail(`gate ${branch} ${values ? 'has' : 'lacks'} "${field}", variant "${spec.variant}" ${shape ? 'needs' : 'has not'} it.`);
      if (!shape || !values) continue;
      if (values.length !== valueCount(shape))
        fail(`"${field}" of gate ${branch} has ${values.length} numbers, shape [${shape.join(', ')}] needs ${valueCount(shape)}.`);
      checkFinite(values, `"${field}" of gate ${branch}`, fail);
    }
    const isStuck =
      gate.weight.every((value) => value === 0) &&
      (gate.bias.every((value) => value > saturation) || gate.bias.every((value) => value < -saturation));
    if (isStuck)
      fail(`gate ${branch} is stuck at ${(gate.bias[0] as number) > 0 ? 1 : 0}: its weights are zero and its bias is ${gate.bias[0]}.`);
  }
  if (spec.sharing === 'shared' && seen.size > 2)
    fail(`its gates are shared, yet there are ${seen.size} of them; one for attention and one for MLP are expected.`);
  if (!gates.standIns) {
    if (gates.standInMaps) fail('it has maps of stand-ins, but no stand-ins.');
    return;
  }
  if (gates.standIns.length !== 2 * layers) fail(`it has ${gates.standIns.length} stand-ins, ${2 * layers} are needed.`);
  for (const [branch, standIn] of gates.standIns.entries()) {
    if (standIn.length !== hiddenSize) fail(`stand-in ${branch} has ${standIn.length} numbers, ${hiddenSize} are needed.`);
    checkFinite(standIn, `stand-in ${branch}`, fail);
  }
  if (gates.standInMaps) checkStandInMaps(gates.standInMaps, layers, hiddenSize, fail);
}

/** One map per branch, of the first one's rank. */
function checkStandInMaps(maps: readonly StandInMap[], layers: number, d: number, fail: Fail): void {
  if (maps.length !== 2 * layers) fail(`it has ${maps.length} maps of stand-ins, ${2 * layers} are needed.`);
  const rank = (maps[0] as StandInMap).down.length / d;
  if (!Number.isInteger(rank) || rank < 1 || rank > d)
    fail(`the rank of its stand-ins is ${rank}; a whole number from 1 to ${d} is needed.`);
  for (const [branch, map] of maps.entries()) {
    for (const field of standInMapFields) {
      if (map[field].length !== rank * d)
        fail(`"${field}" of stand-in ${branch} has ${map[field].length} numbers, rank ${rank} needs ${rank * d}.`);
      checkFinite(map[field], `"${field}" of stand-in ${branch}`, fail);
    }
  }
}
