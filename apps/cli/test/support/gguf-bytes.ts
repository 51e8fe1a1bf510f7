/** Writes GGUF bytes, sound or broken on purpose: nothing is checked here. */

export interface GgufTensor {
  readonly name: string;
  /** Innermost first, as the file has them. */
  readonly sizes: readonly (number | bigint)[];
  readonly type: number;
  readonly bytes: Uint8Array;
}

export interface GgufParts {
  readonly magic?: string;
  readonly version?: number;
  readonly tensorCount?: bigint;
  readonly keyCount?: bigint;
  /** Key and encoded value (type number first). */
  readonly values: readonly (readonly [key: string, value: Uint8Array])[];
  readonly tensors: readonly GgufTensor[];
}

const alignment = 32;

function number(bytes: number, write: (buffer: Buffer) => void): Buffer {
  const buffer = Buffer.alloc(bytes);
  write(buffer);
  return buffer;
}

export const u32 = (value: number): Buffer => number(4, (b) => b.writeUInt32LE(value));
export const u64 = (value: number | bigint): Buffer => number(8, (b) => b.writeBigUInt64LE(BigInt(value)));
const text = (value: string): Buffer => Buffer.concat([u64(Buffer.byteLength(value)), Buffer.from(value)]);

export const uintValue = (value: number): Buffer => Buffer.concat([u32(4), u32(value)]);
export const floatValue = (value: number): Buffer => Buffer.concat([u32(6), number(4, (b) => b.writeFloatLE(value))]);
export const boolValue = (value: boolean): Buffer => Buffer.concat([u32(7), Buffer.of(value ? 1 : 0)]);
export const stringValue = (value: string): Buffer => Buffer.concat([u32(8), text(value)]);
export const stringsValue = (values: readonly string[]): Buffer => Buffer.concat([u32(9), u32(8), u64(values.length), ...values.map(text)]);
export const intsValue = (values: readonly number[]): Buffer => Buffer.concat([u32(9), u32(5), u64(values.length), ...values.map(u32)]);

export function ggufBytes(parts: GgufParts): Buffer {
  const header: Uint8Array[] = [
    Buffer.from(parts.magic ?? 'GGUF', 'latin1'),
    u32(parts.version ?? 3),
    u64(parts.tensorCount ?? parts.tensors.length),
    u64(parts.keyCount ?? parts.values.length),
  ];
  for (const [key, value] of parts.values) header.push(text(key), value);
  const data: Uint8Array[] = [];
  let at = 0;
  for (const { name, sizes, type, bytes } of parts.tensors) {
    header.push(text(name), u32(sizes.length), ...sizes.map(u64), u32(type), u64(at));
    const padded = Buffer.alloc(Math.ceil(bytes.length / alignment) * alignment);
    padded.set(bytes);
    data.push(padded);
    at += padded.length;
  }
  const front = Buffer.concat(header);
  return Buffer.concat([front, Buffer.alloc(Math.ceil(front.length / alignment) * alignment - front.length), ...data]);
}
