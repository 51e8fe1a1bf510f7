import { createHash } from 'node:crypto';
import type { TrainingSequence } from './training-text.js';

/** sha256 of tokens, weights and split, in their order. */
export function textFingerprint(train: readonly TrainingSequence[], heldOut: readonly TrainingSequence[]): string {
  const hash = createHash('sha256').update(`gateskip.training-text/1 ${train.length} ${heldOut.length}`);
  for (const sequences of [train, heldOut]) {
    for (const { tokens, rowWeights } of sequences) hash.update(` ${tokens.length} `).update(bytesOf(tokens)).update(bytesOf(rowWeights));
  }
  return hash.digest('hex');
}

/** sha256 of the tokens alone. */
export function tokensFingerprint(tokens: Int32Array): string {
  return createHash('sha256').update(bytesOf(tokens)).digest('hex');
}

export function bytesOf(array: Int32Array | Uint32Array | Uint16Array | Float32Array): Uint8Array {
  return new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
}
