/** GGUF from its parts, front to back: the header first, then tensors as they come. */

const ALIGNMENT = 32;

/** @param {number} bytes @param {(buffer: Buffer) => void} write */
function number(bytes, write) {
  const buffer = Buffer.alloc(bytes);
  write(buffer);
  return buffer;
}

const u32 = (/** @type {number} */ value) => number(4, (buffer) => buffer.writeUInt32LE(value));
const u64 = (/** @type {number} */ value) => number(8, (buffer) => buffer.writeBigUInt64LE(BigInt(value)));
const text = (/** @type {string} */ value) => Buffer.concat([u64(Buffer.byteLength(value)), Buffer.from(value)]);

/** Values with their type number in front. */
export const value = {
  whole: (/** @type {number} */ of) => Buffer.concat([u32(4), u32(of)]),
  real: (/** @type {number} */ of) => Buffer.concat([u32(6), number(4, (buffer) => buffer.writeFloatLE(of))]),
  flag: (/** @type {boolean} */ of) => Buffer.concat([u32(7), Buffer.of(of ? 1 : 0)]),
  text: (/** @type {string} */ of) => Buffer.concat([u32(8), text(of)]),
  texts: (/** @type {readonly string[]} */ of) => Buffer.concat([u32(9), u32(8), u64(of.length), ...of.map(text)]),
  wholes: (/** @type {readonly number[]} */ of) => Buffer.concat([u32(9), u32(5), u64(of.length), Buffer.from(Int32Array.from(of).buffer)]),
};

/** Numbers of ggml's tensor types, and how many bytes so many values take. */
export const tensorTypes = {
  F32: { code: 0, bytes: (/** @type {number} */ count) => 4 * count },
  Q4_0: { code: 2, bytes: (/** @type {number} */ count) => (count / 32) * 18 },
  Q8_0: { code: 8, bytes: (/** @type {number} */ count) => (count / 32) * 34 },
};

/** What stands behind so many bytes until the next tensor may begin. @param {number} bytes */
export const padding = (bytes) => Buffer.alloc((ALIGNMENT - (bytes % ALIGNMENT)) % ALIGNMENT);

/**
 * @typedef {{ name: string, type: keyof typeof tensorTypes, rows: number, columns: number }} TensorPlan
 * @param {readonly (readonly [string, Buffer])[]} values @param {readonly TensorPlan[]} tensors
 */
export function header(values, tensors) {
  const parts = [Buffer.from('GGUF'), u32(3), u64(tensors.length), u64(values.length)];
  for (const [key, encoded] of values) parts.push(text(key), encoded);
  let at = 0;
  for (const { name, type, rows, columns } of tensors) {
    const sizes = rows === 1 ? [columns] : [columns, rows];
    parts.push(text(name), u32(sizes.length), ...sizes.map(u64), u32(tensorTypes[type].code), u64(at));
    const bytes = tensorTypes[type].bytes(rows * columns);
    at += bytes + padding(bytes).length;
  }
  const front = Buffer.concat(parts);
  return Buffer.concat([front, padding(front.length)]);
}
