/**
 * GGUF's block formats as MatMulNBits stores them: blocks of 32 along a row, an f32 scale each, neighbours in one byte. Q4_0 and
 * Q8_0 go over exactly. Q4_1 has a real offset per block where MatMulNBits has a whole one, so it is rounded anew.
 */

export const BLOCK = 32;

/**
 * @typedef {{ bits: 4 | 8, rows: number, columns: number, quantities: Uint8Array, scales: Float32Array, zeros: Uint8Array | undefined }} Packed
 */

/** Bits a tensor type keeps. @param {string} type @returns {4 | 8} */
export const bitsOf = (type) => (type === 'Q4_0' || type === 'Q4_1' ? 4 : 8);

/**
 * @param {{ type: string, rows: number, columns: number }} tensor @param {Uint8Array} bytes as the file has them
 * @param {4 | 8} bits @param {{ dequantize: Function, halfToFloat: (half: number) => number }} formats
 * @returns {Packed}
 */
export function packBlocks({ type, rows, columns }, bytes, bits, { dequantize, halfToFloat }) {
  if (columns % BLOCK !== 0) throw new Error(`${columns} columns are no whole number of blocks of ${BLOCK}`);
  const blocks = (rows * columns) / BLOCK;
  const packed = {
    bits,
    rows,
    columns,
    quantities: new Uint8Array((rows * columns * bits) / 8),
    scales: new Float32Array(blocks),
    /** @type {Uint8Array | undefined} */
    zeros: undefined,
  };
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (type === 'Q4_0' && bits === 4) {
    for (let block = 0; block < blocks; block++) {
      const from = block * 18;
      packed.scales[block] = halfToFloat(view.getUint16(from, true));
      interleaveNibbles(bytes, from + 2, packed.quantities, block * 16);
    }
  } else if (type === 'Q8_0' && bits === 8) {
    for (let block = 0; block < blocks; block++) {
      const from = block * 34;
      packed.scales[block] = halfToFloat(view.getUint16(from, true));
      for (let i = 0; i < BLOCK; i++) packed.quantities[block * BLOCK + i] = bytes[from + 2 + i] ^ 0x80;
    }
  } else {
    const perRow = bytes.length / rows;
    const row = new Float32Array(columns);
    const zeros = new Uint8Array(blocks).fill(bits === 4 ? 8 : 128);
    for (let r = 0; r < rows; r++) {
      row.set(dequantize(type, bytes.subarray(r * perRow, (r + 1) * perRow), columns));
      for (let block = 0; block < columns / BLOCK; block++) {
        roundBlock(row.subarray(block * BLOCK, (block + 1) * BLOCK), packed, zeros, (r * columns) / BLOCK + block);
      }
    }
    packed.zeros = bits === 4 ? packNibbles(zeros, rows) : zeros;
  }
  return packed;
}

/** One above the other. @param {readonly Packed[]} parts @returns {Packed} */
export function stack(parts) {
  const [{ bits, columns }] = parts;
  const rows = parts.reduce((sum, part) => sum + part.rows, 0);
  const quantities = new Uint8Array(Buffer.concat(parts.map((part) => part.quantities)));
  const scales = new Float32Array(parts.reduce((sum, part) => sum + part.scales.length, 0));
  let at = 0;
  for (const part of parts) {
    scales.set(part.scales, at);
    at += part.scales.length;
  }
  const plain = (/** @type {Packed} */ part) => {
    const blocks = columns / BLOCK;
    return bits === 4 ? new Uint8Array(part.rows * Math.ceil(blocks / 2)).fill(0x88) : new Uint8Array(part.rows * blocks).fill(128);
  };
  const zeros = parts.some((part) => part.zeros)
    ? new Uint8Array(Buffer.concat(parts.map((part) => part.zeros ?? plain(part))))
    : undefined;
  return { bits, rows, columns, quantities, scales, zeros };
}

/** GGUF has elements j and j + 16 in a byte, MatMulNBits 2j and 2j + 1. */
function interleaveNibbles(
  /** @type {Uint8Array} */ from,
  /** @type {number} */ start,
  /** @type {Uint8Array} */ to,
  /** @type {number} */ at,
) {
  for (let j = 0; j < 8; j++) {
    const first = from[start + 2 * j];
    const second = from[start + 2 * j + 1];
    to[at + j] = (first & 15) | ((second & 15) << 4);
    to[at + 8 + j] = (first >> 4) | (second & 0xf0);
  }
}

function roundBlock(
  /** @type {Float32Array} */ values,
  /** @type {Packed} */ packed,
  /** @type {Uint8Array} */ zeros,
  /** @type {number} */ block,
) {
  const { bits, quantities, scales } = packed;
  const most = 2 ** bits - 1;
  const low = Math.min(0, ...values);
  const scale = (Math.max(0, ...values) - low) / most;
  scales[block] = scale;
  const zero = scale > 0 ? Math.round(-low / scale) : zeros[block];
  zeros[block] = zero;
  for (let i = 0; i < BLOCK; i++) {
    const quantity = scale > 0 ? Math.min(most, Math.max(0, Math.round(values[i] / scale) + zero)) : zero;
    if (bits === 8) quantities[block * BLOCK + i] = quantity;
    else quantities[(block * BLOCK + i) >> 1] |= quantity << (i % 2 === 0 ? 0 : 4);
  }
}

/** Two offsets a byte; every row begins with a byte of its own. */
function packNibbles(/** @type {Uint8Array} */ zeros, /** @type {number} */ rows) {
  const perRow = zeros.length / rows;
  const bytesPerRow = Math.ceil(perRow / 2);
  const packed = new Uint8Array(rows * bytesPerRow);
  for (let row = 0; row < rows; row++)
    for (let i = 0; i < perRow; i++) packed[row * bytesPerRow + (i >> 1)] |= zeros[row * perRow + i] << (i % 2 === 0 ? 0 : 4);
  return packed;
}
