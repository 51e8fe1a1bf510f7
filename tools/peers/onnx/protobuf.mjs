/** Just enough of protocol buffers to write an ONNX file: fields in order, each a key and a value. */

/** @param {number | bigint} value */
export function varint(value) {
  let rest = BigInt.asUintN(64, BigInt(value));
  const bytes = [];
  do {
    const low = Number(rest & 0x7fn);
    rest >>= 7n;
    bytes.push(rest > 0n ? low | 0x80 : low);
  } while (rest > 0n);
  return Buffer.from(bytes);
}

/** @param {number} field @param {number | bigint} value */
export const integer = (field, value) => Buffer.concat([varint(field << 3), varint(value)]);

/** @param {number} field @param {number} value */
export function float(field, value) {
  const bytes = Buffer.alloc(4);
  bytes.writeFloatLE(value);
  return Buffer.concat([varint((field << 3) | 5), bytes]);
}

/** Bytes, text, or a message inside this one. @param {number} field @param {string | Uint8Array | readonly Uint8Array[]} value */
export function block(field, value) {
  const bytes = typeof value === 'string' ? Buffer.from(value) : value instanceof Uint8Array ? value : Buffer.concat(value);
  return Buffer.concat([varint((field << 3) | 2), varint(bytes.length), bytes]);
}
