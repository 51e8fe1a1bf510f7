import { tensorTypes } from './gguf-writer.mjs';

const BLOCK = 32;
/** Standard deviation of a uniformly drawn quantity: of -8..7, and of -127..127. */
const spreads = { Q4_0: Math.sqrt((16 ** 2 - 1) / 12 + 0.25), Q8_0: Math.sqrt((255 ** 2 - 1) / 12) };

/** Marsaglia's xorshift32: fast, and the same everywhere. */
export class Random {
  /** @param {number} seed */
  constructor(seed) {
    // Neighbouring seeds shall not begin alike; the state is never zero.
    this.state = (Math.imul(seed ^ 0x9e3779b9, 0x85ebca6b) ^ (seed >>> 13)) | 1;
    for (let i = 0; i < 16; i++) this.next();
  }

  next() {
    let x = this.state;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.state = x;
    return x >>> 0;
  }
}

/**
 * Fills whole blocks of a format with random weights of a standard deviation. Scales differ a little and have either sign, so
 * that the lopsided 4-bit range gives weights without a mean.
 *
 * @param {Uint8Array} bytes @param {'Q4_0' | 'Q8_0'} type @param {number} deviation @param {Random} random
 */
export function fillBlocks(bytes, type, deviation, random) {
  const blockBytes = tensorTypes[type].bytes(BLOCK);
  const scale = halfBits(deviation / spreads[type]);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = 0; at < bytes.length; at += blockBytes) {
    const drawn = random.next();
    // The low mantissa bits vary; the top bit is the sign.
    view.setUint16(at, scale ^ (drawn & 0x80ff), true);
    for (let i = at + 2; i < at + blockBytes; i += 4) {
      const word = random.next();
      bytes[i] = word;
      bytes[i + 1] = word >>> 8;
      if (i + 2 < at + blockBytes) {
        bytes[i + 2] = word >>> 16;
        bytes[i + 3] = word >>> 24;
      }
    }
    // ggml never writes -128, and kernels may count on it.
    if (type === 'Q8_0') for (let i = at + 2; i < at + blockBytes; i++) if (bytes[i] === 0x80) bytes[i] = 0x81;
  }
}

/** A positive number as a half-precision float, cut to 11 bits, or to the fixed steps below 2^-14. @param {number} value */
export function halfBits(value) {
  if (!(value >= 2 ** -24 && value < 65536)) throw new RangeError(`${value} is outside half precision`);
  if (value < 2 ** -14) return Math.floor(value * 2 ** 24);
  const exponent = Math.floor(Math.log2(value));
  return ((exponent + 15) << 10) | Math.floor((value / 2 ** exponent - 1) * 1024);
}
