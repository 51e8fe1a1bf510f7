import { InvalidArgumentError } from '@gateskip/errors';

/** A tensor as the header of a safetensors file names it. */
export interface SafetensorsHead {
  readonly type: 'F32' | 'F16' | 'BF16';
  readonly shape: readonly number[];
}

/** Bytes that a tensor takes. */
export const headBytes = ({ type, shape }: SafetensorsHead): number => shape.reduce((a, b) => a * b, type === 'F32' ? 4 : 2);

/**
 * Everything before the tensors, padded to 8 bytes; they follow in the order of the map, without holes.
 *
 * @throws InvalidArgumentError for a name that the format cannot hold
 */
export function encodeSafetensorsHeader(
  tensors: ReadonlyMap<string, SafetensorsHead>,
  metadata: Readonly<Record<string, string>>,
): Uint8Array {
  const header: Record<string, unknown> = Object.create(null);
  if (Object.keys(metadata).length > 0) header.__metadata__ = metadata;
  let at = 0;
  for (const [name, head] of tensors) {
    if (name === '__metadata__' || name === '__proto__') throw new InvalidArgumentError(`A tensor cannot be named "${name}".`);
    const end = at + headBytes(head);
    header[name] = { dtype: head.type, shape: head.shape, data_offsets: [at, end] };
    at = end;
  }
  const text = Buffer.from(JSON.stringify(header));
  const bytes = Buffer.alloc(8 + Math.ceil(text.length / 8) * 8, 0x20);
  bytes.writeBigUInt64LE(BigInt(bytes.length - 8));
  bytes.set(text, 8);
  return bytes;
}
