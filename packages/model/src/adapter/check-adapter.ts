import type { Calibration, GateSpec } from '@gateskip/gate';
import { printable } from '../errors.js';
import { type BackboneHead, checkBackboneHead } from './check-backbone.js';
import { type Fail, type Json, list, object, whole } from './check-json.js';
import type { AdapterProvenance, GateAdapter } from './gate-adapter.js';

const maxText = 4096;
const maxKnots = 4096;
const maxLevels = 4096;

/** The JSON part of an adapter, checked: everything but the gates' numbers. */
export interface AdapterHead extends Omit<GateAdapter, 'gates' | 'backbone'> {
  readonly spec: GateSpec;
  readonly hiddenSize: number;
  readonly hasStandIns: boolean;
  /** Rank of the stand-ins' maps, where they have such. */
  readonly standInRank?: number;
  readonly backbone?: BackboneHead;
}

/** Checks the JSON part of an adapter, read or to be written. */
export function checkAdapterHead(value: unknown, fail: Fail): AdapterHead {
  const json = object(value, 'its description', fail);
  const { formatVersion } = json;
  if (formatVersion !== 1 && formatVersion !== 2 && formatVersion !== 3)
    return fail(`it has format version ${printable(String(formatVersion))}; versions 1 to 3 are read.`);
  if ((formatVersion === 3) !== (json.standInRank !== undefined))
    fail(`it has format version ${formatVersion} and ${formatVersion === 3 ? 'no ' : ''}maps of stand-ins; they make version 3.`);
  if (formatVersion !== 3 && (formatVersion === 2) !== (json.backbone !== undefined))
    fail(`it has format version ${formatVersion} and ${formatVersion === 2 ? 'no ' : ''}backbone changes; they make version 2.`);
  const text = (key: string, from: Json = json): string => {
    const found = from[key];
    if (typeof found !== 'string' || found.length > maxText) fail(`"${key}" is not a text of at most ${maxText} characters.`);
    return found as string;
  };
  const modelFingerprint = text('modelFingerprint');
  if (!/^[0-9a-f]{64}$/.test(modelFingerprint)) fail(`"modelFingerprint" is "${printable(modelFingerprint)}", not a sha256.`);
  const layers = whole(json.layers, 'layers', 1, 4096, fail);
  const hiddenSize = whole(json.hiddenSize, 'hiddenSize', 1, 1 << 20, fail);
  if (typeof json.hasStandIns !== 'boolean') fail('"hasStandIns" is neither true nor false.');
  if (json.standInRank !== undefined && !json.hasStandIns) fail('it has maps of stand-ins, but no stand-ins.');
  const source = object(json.provenance, '"provenance"', fail);
  const provenance: AdapterProvenance = {
    method: text('method', source),
    command: text('command', source),
    data: text('data', source),
    license: text('license', source),
    created: text('created', source),
    version: text('version', source),
  };
  return {
    formatVersion,
    name: text('name'),
    modelFingerprint,
    modelName: text('modelName'),
    layers,
    hiddenSize,
    hasStandIns: json.hasStandIns as boolean,
    ...(json.standInRank !== undefined && { standInRank: whole(json.standInRank, 'standInRank', 1, hiddenSize, fail) }),
    spec: checkSpec(json.spec, hiddenSize, fail),
    calibration: checkCalibration(json.calibration, 2 * layers, fail),
    provenance,
    ...(json.backbone !== undefined && { backbone: checkBackboneHead(json.backbone, layers, hiddenSize, fail) }),
  };
}

function checkSpec(value: unknown, hiddenSize: number, fail: Fail): GateSpec {
  const json = object(value, '"spec"', fail);
  const one = <T extends string>(key: string, allowed: readonly T[]): T => {
    const found = json[key] as T;
    if (!allowed.includes(found)) fail(`"${key}" is "${printable(String(found))}"; ${allowed.join(', ')} are known.`);
    return found;
  };
  const variant = one('variant', ['vector', 'scalar', 'mlp', 'low-rank', 'hybrid'] as const);
  if (typeof json.multiplies !== 'boolean') fail('"multiplies" is neither true nor false.');
  return {
    variant,
    sharing: one('sharing', ['separate', 'shared'] as const),
    position: one('position', ['before', 'after'] as const),
    multiplies: json.multiplies as boolean,
    ...(variant === 'low-rank' ? { rank: whole(json.rank, 'rank', 1, hiddenSize, fail) } : {}),
    ...(variant === 'mlp' ? { hidden: whole(json.hidden, 'hidden', 1, 16 * hiddenSize, fail) } : {}),
  };
}

/** Checks that a calibration can be used as it is: bounded, finite, monotone. */
export function checkCalibration(value: unknown, branches: number, fail: Fail): Calibration {
  const json = object(value, '"calibration"', fail);
  const kv = json.kv;
  if (kv !== 'project' && kv !== 'absent' && kv !== 'alias')
    fail(`"kv" is "${printable(String(kv))}"; project, absent and alias are known.`);
  const protectedBranches = list(json.protectedBranches, 'protectedBranches', branches, fail).map((branch) =>
    whole(branch, 'protectedBranches', 0, branches - 1, fail),
  );
  if (new Set(protectedBranches).size !== protectedBranches.length) fail('"protectedBranches" names a branch twice.');
  const curve = list(json.curve, 'curve', maxKnots, fail).map((entry, i) => {
    const knot = object(entry, `knot ${i} of "curve"`, fail);
    return {
      threshold: share(knot.threshold, `threshold of knot ${i}`, 1, fail),
      skip: share(knot.skip, `skip of knot ${i}`, 1, fail),
      // Gates cost something too, so the net share may pass 1.
      net: share(knot.net, `net of knot ${i}`, 16, fail),
      ...(knot.loraStrength !== undefined && { loraStrength: share(knot.loraStrength, `loraStrength of knot ${i}`, 1, fail) }),
    };
  });
  if (curve.length === 0 || curve[0]?.threshold !== 0 || curve[0].skip !== 0) fail('its curve does not start at threshold 0 and skip 0.');
  const strengths = curve.filter(({ loraStrength }) => loraStrength !== undefined).length;
  if (strengths !== 0 && strengths !== curve.length) fail(`${strengths} of ${curve.length} knots of its curve have a "loraStrength".`);
  ascending(
    curve.map((knot) => knot.threshold),
    'thresholds of the curve',
    fail,
  );
  ascending(
    curve.map((knot) => knot.skip),
    'skips of the curve',
    fail,
  );
  const levels = list(json.levels, 'levels', maxLevels, fail).map((level) => share(level, 'levels', 1, fail));
  ascending(levels, 'levels', fail);
  const branchQuantiles = table(json.branchQuantiles, 'branchQuantiles', branches, levels.length, fail);
  for (const row of branchQuantiles) ascending(row, 'branchQuantiles', fail);
  return {
    kv: kv as Calibration['kv'],
    tokens: whole(json.tokens, 'tokens', 0, Number.MAX_SAFE_INTEGER, fail),
    protectedBranches,
    pinnedTokens: whole(json.pinnedTokens, 'pinnedTokens', 0, 1 << 24, fail),
    curve,
    levels,
    branchQuantiles,
    ...(json.branchSkips !== undefined ? { branchSkips: table(json.branchSkips, 'branchSkips', curve.length, branches, fail) } : {}),
  };
}

function share(value: unknown, what: string, high: number, fail: Fail): number {
  if (typeof value !== 'number' || !(value >= 0 && value <= high))
    fail(`${what} is ${printable(String(value))}; a number from 0 to ${high} is needed.`);
  return value as number;
}

function table(value: unknown, what: string, rows: number, columns: number, fail: Fail): number[][] {
  const outer = list(value, what, rows, fail);
  if (outer.length !== rows) fail(`"${what}" has ${outer.length} rows, ${rows} are needed.`);
  return outer.map((row) => {
    const inner = list(row, what, columns, fail);
    if (inner.length !== columns) fail(`"${what}" has a row of ${inner.length}, ${columns} are needed.`);
    return inner.map((item) => share(item, what, 1, fail));
  });
}

function ascending(values: readonly number[], what: string, fail: Fail): void {
  for (let i = 1; i < values.length; i++)
    if ((values[i] as number) < (values[i - 1] as number)) fail(`the ${what} fall from ${values[i - 1]} to ${values[i]}.`);
}
