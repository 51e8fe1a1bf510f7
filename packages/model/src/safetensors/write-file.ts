import { InvalidArgumentError } from '@gateskip/errors';
import { writeFileAtomically } from '../file/write-atomic.js';
import { encodeSafetensorsHeader, headBytes } from './encode-header.js';

/** One tensor to write. `bytes` are little-endian, row-major. */
export interface SafetensorsTensor {
  readonly type: 'F32' | 'F16' | 'BF16';
  readonly shape: readonly number[];
  readonly bytes: Uint8Array;
}

/**
 * Writes a safetensors file: header padded to 8 bytes, tensors in name order without holes. The file appears under its
 * name whole or not at all.
 */
export async function writeSafetensors(
  path: string,
  tensors: ReadonlyMap<string, SafetensorsTensor>,
  metadata: Readonly<Record<string, string>> = {},
): Promise<void> {
  const sorted = new Map([...tensors].sort(([a], [b]) => (a < b ? -1 : 1)));
  for (const [name, tensor] of sorted) {
    const needed = headBytes(tensor);
    if (tensor.bytes.length !== needed)
      throw new InvalidArgumentError(
        `Tensor "${name}" of shape [${tensor.shape.join(', ')}] needs ${needed} bytes, got ${tensor.bytes.length}.`,
      );
  }
  await writeFileAtomically(path, [encodeSafetensorsHeader(sorted, metadata), ...[...sorted.values()].map(({ bytes }) => bytes)]);
}
