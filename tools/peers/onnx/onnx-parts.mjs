import { block, float, integer } from './protobuf.mjs';

/** Numbers of onnx.proto's TensorProto.DataType. */
export const dataTypes = { float: 1, uint8: 2, int32: 6, int64: 7 };

/** Attribute types of onnx.proto. */
const FLOAT = 1;
const INT = 2;

/**
 * A node; an empty input name leaves an optional input out.
 *
 * @param {string} operator @param {readonly string[]} inputs @param {readonly string[]} outputs
 * @param {{ domain?: string, integers?: Record<string, number>, floats?: Record<string, number> }} [options]
 */
export function node(operator, inputs, outputs, { domain = '', integers = {}, floats = {} } = {}) {
  return block(1, [
    ...inputs.map((name) => block(1, name)),
    ...outputs.map((name) => block(2, name)),
    block(3, `${operator}:${outputs[0]}`),
    block(4, operator),
    ...Object.entries(integers).map(([name, value]) => block(5, [block(1, name), integer(3, value), integer(20, INT)])),
    ...Object.entries(floats).map(([name, value]) => block(5, [block(1, name), float(2, value), integer(20, FLOAT)])),
    block(7, domain),
  ]);
}

/**
 * A tensor whose bytes lie in another file.
 *
 * @param {string} name @param {number} type @param {readonly number[]} shape @param {{ file: string, offset: number, length: number }} place
 */
export function externalTensor(name, type, shape, { file, offset, length }) {
  const entry = (/** @type {string} */ key, /** @type {string | number} */ value) => block(13, [block(1, key), block(2, String(value))]);
  return block(5, [
    ...shape.map((size) => integer(1, size)),
    integer(2, type),
    block(8, name),
    entry('location', file),
    entry('offset', offset),
    entry('length', length),
    integer(14, 1),
  ]);
}

/** @param {readonly (number | string)[]} shape a text is a size known when the graph runs */
function valueInfo(/** @type {string} */ name, /** @type {number} */ type, shape) {
  const sizes = shape.map((size) => block(1, typeof size === 'number' ? integer(1, size) : block(2, size)));
  return [block(1, name), block(2, block(1, [integer(1, type), block(2, sizes)]))];
}

/** @param {string} name @param {number} type @param {readonly (number | string)[]} shape */
export const graphInput = (name, type, shape) => block(11, valueInfo(name, type, shape));

/** @param {string} name @param {number} type @param {readonly (number | string)[]} shape */
export const graphOutput = (name, type, shape) => block(12, valueInfo(name, type, shape));

/** @param {string} name @param {readonly Uint8Array[]} parts nodes, tensors, inputs, outputs */
export function onnxModel(name, parts) {
  const irVersion = 10;
  const operators = (/** @type {string} */ domain, /** @type {number} */ version) => block(8, [block(1, domain), integer(2, version)]);
  return Buffer.concat([
    integer(1, irVersion),
    block(2, 'gateskip tools/peers/onnx'),
    block(7, [block(2, name), ...parts]),
    operators('', 21),
    operators('com.microsoft', 1),
  ]);
}
