import type { TopLogits } from '@gateskip/backend';
import { floatToHalf, halfToFloat } from '@gateskip/model';
import { TeacherNotFiniteError } from './errors.js';
import { bytesOf } from './text-fingerprint.js';
import type { TeacherRows } from './training-text.js';

/** Teacher rows as they are kept: n rows of K tokens. What is handed out is always made from this, kept or not. */
export interface PackedRows {
  readonly rows: number;
  readonly count: number;
  /** [n, K], 16 bits where the vocabulary allows. */
  readonly tokens: Uint16Array | Uint32Array;
  /** IEEE 754 binary16: [n, K]. */
  readonly logProbabilities: Uint16Array;
  /** [n] */
  readonly tailMass: Float32Array;
}

const SHORT_VOCABULARY = 65_536;

export function emptyRows(rows: number, count: number, vocabularySize: number): PackedRows {
  const values = rows * count;
  return {
    rows,
    count,
    tokens: vocabularySize <= SHORT_VOCABULARY ? new Uint16Array(values) : new Uint32Array(values),
    logProbabilities: new Uint16Array(values),
    tailMass: new Float32Array(rows),
  };
}

/**
 * Puts the highest logits of `rows` output rows, from `from` on, at row `to`. The tail is 1 minus the mass of the K before
 * they are rounded: right to about 1e-6, what float32 leaves of the log of the sum.
 *
 * @throws TeacherNotFiniteError
 */
export function packRows(packed: PackedRows, to: number, top: TopLogits, from: number, rows: number, vocabularySize: number): void {
  const { count } = packed;
  for (let row = 0; row < rows; row++) {
    const logSumExp = top.logSumExp[from + row] as number;
    let mass = 0;
    for (let i = 0; i < count; i++) {
      const source = (from + row) * top.count + i;
      const logProbability = Math.min(0, (top.logits[source] as number) - logSumExp);
      // A logit of minus infinity is a token that cannot be; NaN and a sum that is not finite are damage.
      if (Number.isNaN(logProbability) || !Number.isFinite(logSumExp)) throw new TeacherNotFiniteError(to + row, logProbability);
      mass += Math.exp(logProbability);
      packed.tokens[(to + row) * count + i] = top.tokens[source] as number;
      packed.logProbabilities[(to + row) * count + i] = floatToHalf(logProbability);
    }
    packed.tailMass[to + row] = count >= vocabularySize ? 0 : Math.min(1, Math.max(0, 1 - mass));
  }
}

export function unpackRows({ count, tokens, logProbabilities, tailMass }: PackedRows): TeacherRows {
  return {
    count,
    tokens: Int32Array.from(tokens),
    logProbabilities: Float32Array.from(logProbabilities, halfToFloat),
    tailMass: tailMass.slice(),
  };
}

export function packedBytes({ tokens, logProbabilities, tailMass }: PackedRows): number {
  return tokens.byteLength + logProbabilities.byteLength + tailMass.byteLength;
}

/** Tail mass, tokens, log-probabilities, one after the other. */
export function toBytes(packed: PackedRows): Uint8Array {
  const bytes = new Uint8Array(packedBytes(packed));
  let at = 0;
  for (const part of [packed.tailMass, packed.tokens, packed.logProbabilities]) {
    bytes.set(bytesOf(part), at);
    at += part.byteLength;
  }
  return bytes;
}

/** undefined where the length is another. */
export function fromBytes(bytes: Uint8Array, rows: number, count: number, vocabularySize: number): PackedRows | undefined {
  const packed = emptyRows(rows, count, vocabularySize);
  if (bytes.length !== packedBytes(packed)) return undefined;
  let at = 0;
  for (const part of [packed.tailMass, packed.tokens, packed.logProbabilities]) {
    bytesOf(part).set(bytes.subarray(at, at + part.byteLength));
    at += part.byteLength;
  }
  return packed;
}
