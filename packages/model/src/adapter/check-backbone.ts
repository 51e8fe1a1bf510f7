import { printable } from '../errors.js';
import { type LayerMatrix, layerMatrices } from '../layer-matrix.js';
import { type BackboneChanges, type LoraChanges, maxLoraRank, normNames } from './backbone-changes.js';
import { type Fail, type Json, list, object, whole } from './check-json.js';

/** Most rows or columns of a matrix that has an addition. */
const maxSide = 1 << 24;

/** The JSON part of low-rank additions: what shapes their tensors must have. */
export interface LoraHead {
  readonly rank: number;
  readonly alpha: number;
  /** [out, in] of each matrix, in the order of `layerMatrices`. */
  readonly matrices: ReadonlyMap<LayerMatrix, readonly [rows: number, columns: number]>;
}

/** The JSON part of an adapter's backbone changes. */
export interface BackboneHead {
  readonly lora?: LoraHead;
  /** Names of the norms that are replaced. */
  readonly norms?: readonly string[];
}

export function checkBackboneHead(value: unknown, layers: number, hiddenSize: number, fail: Fail): BackboneHead {
  const json = object(value, '"backbone"', fail);
  for (const key of Object.keys(json))
    if (key !== 'lora' && key !== 'norms') fail(`"backbone" has "${printable(key)}"; lora and norms are known.`);
  const lora = json.lora === undefined ? undefined : checkLora(object(json.lora, '"lora"', fail), hiddenSize, fail);
  const norms = json.norms === undefined ? undefined : checkNormNames(json.norms, layers, fail);
  if (!lora && !norms) fail('its backbone changes are empty.');
  return { ...(lora && { lora }), ...(norms && { norms }) };
}

function checkLora(json: Json, hiddenSize: number, fail: Fail): LoraHead {
  const rank = whole(json.rank, 'rank', 1, maxLoraRank, fail);
  const { alpha } = json;
  if (typeof alpha !== 'number' || !Number.isFinite(alpha)) fail(`"alpha" is ${printable(String(alpha))}, not a finite number.`);
  const shapes = object(json.matrices, '"matrices"', fail);
  const names = Object.keys(shapes);
  if (names.length === 0) fail('"matrices" names no matrix.');
  for (const name of names)
    if (!layerMatrices.includes(name as LayerMatrix)) fail(`"matrices" names "${printable(name)}"; ${layerMatrices.join(', ')} are known.`);
  const matrices = new Map<LayerMatrix, readonly [number, number]>();
  for (const name of layerMatrices) {
    if (shapes[name] === undefined) continue;
    const sides = list(shapes[name], name, 2, fail).map((side) => whole(side, name, rank, maxSide, fail));
    if (sides.length !== 2) fail(`"${name}" has ${sides.length} sides, a matrix has 2.`);
    const [rows, columns] = sides as [number, number];
    const residual = name === 'attentionOutput' || name === 'mlpDown' ? rows : columns;
    if (residual !== hiddenSize) fail(`"${name}" of shape [${rows}, ${columns}] does not fit a stream of width ${hiddenSize}.`);
    matrices.set(name, [rows, columns]);
  }
  return { rank, alpha: alpha as number, matrices };
}

function checkNormNames(value: unknown, layers: number, fail: Fail): readonly string[] {
  const names = list(value, 'norms', 2 * layers + 1, fail);
  const known = new Set(normNames(layers));
  if (names.length === 0) fail('"norms" names no norm.');
  for (const name of names)
    if (typeof name !== 'string' || !known.delete(name))
      fail(`"norms" has "${printable(String(name))}", which is no norm of ${layers} layers or there twice.`);
  return names as readonly string[];
}

/** Checks backbone changes that are to be written, but for their numbers; returns their JSON part as it is stored. */
export function describeBackbone({ lora, norms }: BackboneChanges, layers: number, hiddenSize: number, fail: Fail): object {
  const json = { ...(lora && { lora: describeLora(lora, layers, fail) }), ...(norms && { norms: [...norms.keys()] }) };
  checkBackboneHead(json, layers, hiddenSize, fail);
  for (const [name, values] of norms ?? []) {
    if (values.length !== hiddenSize) fail(`"${name}" has ${values.length} numbers, ${hiddenSize} are needed.`);
  }
  return json;
}

function describeLora(lora: LoraChanges, layers: number, fail: Fail): object {
  const rank = whole(lora.rank, 'rank', 1, maxLoraRank, fail);
  if (lora.layers.length !== layers) fail(`its low-rank additions are for ${lora.layers.length} layers, ${layers} are needed.`);
  if (new Set(lora.matrices).size !== lora.matrices.length) fail('its low-rank additions name a matrix twice.');
  const shapes: Record<string, readonly number[]> = {};
  for (const matrix of lora.matrices) {
    if (!layerMatrices.includes(matrix)) fail(`"matrices" names "${printable(String(matrix))}"; ${layerMatrices.join(', ')} are known.`);
    for (const [layer, factors] of lora.layers.entries()) {
      const { down, up } = factors[matrix] ?? fail(`layer ${layer} lacks the low-rank addition to "${printable(String(matrix))}".`);
      const shape = [up.length / rank, down.length / rank];
      shapes[matrix] ??= shape;
      if (String(shape) !== String(shapes[matrix]) || !shape.every(Number.isSafeInteger))
        fail(
          `the low-rank addition to "${matrix}" in layer ${layer} is for shape [${shape.join(', ')}], in layer 0 for [${shapes[matrix].join(', ')}].`,
        );
    }
  }
  for (const [layer, factors] of lora.layers.entries()) {
    for (const matrix of Object.keys(factors))
      if (!lora.matrices.includes(matrix as LayerMatrix))
        fail(`layer ${layer} has a low-rank addition to "${printable(matrix)}", which "matrices" does not name.`);
  }
  return { rank, alpha: lora.alpha, matrices: shapes };
}
