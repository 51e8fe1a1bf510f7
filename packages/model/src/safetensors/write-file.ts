import { InvalidArgumentError } from '@gateskip/errors';
import { writeFileAtomically } from '../file/write-atomic.js';

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
  const header: Record<string, unknown> = Object.create(null);
  if (Object.keys(metadata).length > 0) header.__metadata__ = metadata;
  const names = [...tensors.keys()].sort();
  const parts: Uint8Array[] = [];
  let at = 0;
  for (const name of names) {
    const { type, shape, bytes } = tensors.get(name) as SafetensorsTensor;
    const needed = shape.reduce((a, b) => a * b, type === 'F32' ? 4 : 2);
    if (name === '__metadata__' || name === '__proto__') throw new InvalidArgumentError(`A tensor cannot be named "${name}".`);
    if (bytes.length !== needed)
      throw new InvalidArgumentError(`Tensor "${name}" of shape [${shape.join(', ')}] needs ${needed} bytes, got ${bytes.length}.`);
    header[name] = { dtype: type, shape, data_offsets: [at, at + needed] };
    parts.push(bytes);
    at += needed;
  }
  const text = new TextEncoder().encode(JSON.stringify(header));
  const padded = new Uint8Array(Math.ceil(text.length / 8) * 8).fill(0x20);
  padded.set(text);
  const prefix = Buffer.alloc(8);
  prefix.writeBigUInt64LE(BigInt(padded.length));
  await writeFileAtomically(path, [prefix, padded, ...parts]);
}
