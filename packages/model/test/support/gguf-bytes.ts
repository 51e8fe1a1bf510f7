/** Writes GGUF bytes for tests, sound or broken on purpose: nothing is checked here. */

export type Value =
  | { readonly type: 'u8' | 'u32' | 'i32' | 'u64' | 'f32' | 'bool'; readonly value: number | bigint | boolean }
  | { readonly type: 'string'; readonly value: string | Uint8Array }
  | { readonly type: 'array'; readonly of: number; readonly count?: bigint; readonly items: readonly Uint8Array[] }
  | { readonly type: 'raw'; readonly number: number; readonly bytes: Uint8Array };

export interface Tensor {
  readonly name: string;
  /** Innermost first, as the file has them. */
  readonly sizes: readonly (number | bigint)[];
  readonly type: number;
  readonly bytes?: Uint8Array;
  /** Default: behind the one before. */
  readonly offset?: bigint;
}

export interface GgufParts {
  readonly magic?: string;
  readonly version?: number;
  readonly tensorCount?: bigint;
  readonly keyCount?: bigint;
  readonly values: readonly (readonly [string | Uint8Array, Value])[];
  readonly tensors: readonly Tensor[];
  readonly alignment?: number;
}

export const u32 = (value: number): Buffer => {
  const out = Buffer.alloc(4);
  out.writeUInt32LE(value);
  return out;
};
export const u64 = (value: bigint | number): Buffer => {
  const out = Buffer.alloc(8);
  out.writeBigUInt64LE(BigInt(value));
  return out;
};
export const f32 = (value: number): Buffer => {
  const out = Buffer.alloc(4);
  out.writeFloatLE(value);
  return out;
};
export const text = (value: string | Uint8Array): Buffer => {
  const bytes = Buffer.from(value as string);
  return Buffer.concat([u64(bytes.length), bytes]);
};

export const string = (value: string): Value => ({ type: 'string', value });
export const uint = (value: number): Value => ({ type: 'u32', value });
export const float = (value: number): Value => ({ type: 'f32', value });
export const strings = (values: readonly string[]): Value => ({ type: 'array', of: 8, items: values.map(text) });
export const ints = (values: readonly number[]): Value => ({ type: 'array', of: 5, items: values.map((value) => u32(value)) });
export const floats = (values: readonly number[]): Value => ({ type: 'array', of: 6, items: values.map((value) => f32(value)) });

function encodeValue(value: Value): Buffer {
  switch (value.type) {
    case 'u8':
      return Buffer.concat([u32(0), Buffer.of(Number(value.value))]);
    case 'u32':
      return Buffer.concat([u32(4), u32(Number(value.value))]);
    case 'i32':
      return Buffer.concat([u32(5), u32(Number(value.value) >>> 0)]);
    case 'f32':
      return Buffer.concat([u32(6), f32(Number(value.value))]);
    case 'bool':
      return Buffer.concat([u32(7), Buffer.of(value.value ? 1 : 0)]);
    case 'string':
      return Buffer.concat([u32(8), text(value.value)]);
    case 'array':
      return Buffer.concat([u32(9), u32(value.of), u64(value.count ?? BigInt(value.items.length)), ...value.items]);
    case 'u64':
      return Buffer.concat([u32(10), u64(value.value as bigint)]);
    case 'raw':
      return Buffer.concat([u32(value.number), value.bytes]);
  }
}

export function buildGguf(parts: GgufParts): Buffer {
  const alignment = parts.alignment ?? 32;
  const header: Uint8Array[] = [
    Buffer.from(parts.magic ?? 'GGUF', 'latin1'),
    u32(parts.version ?? 3),
    u64(parts.tensorCount ?? BigInt(parts.tensors.length)),
    u64(parts.keyCount ?? BigInt(parts.values.length)),
  ];
  for (const [key, value] of parts.values) header.push(text(key), encodeValue(value));
  const data: Uint8Array[] = [];
  let at = 0;
  for (const tensor of parts.tensors) {
    header.push(
      text(tensor.name),
      u32(tensor.sizes.length),
      ...tensor.sizes.map((size) => u64(size)),
      u32(tensor.type),
      u64(tensor.offset ?? BigInt(at)),
    );
    if (!tensor.bytes) continue;
    const padded = Buffer.alloc(Math.ceil(tensor.bytes.length / alignment) * alignment);
    padded.set(tensor.bytes);
    data.push(padded);
    at += padded.length;
  }
  const front = Buffer.concat(header);
  return Buffer.concat([front, Buffer.alloc(Math.ceil(front.length / alignment) * alignment - front.length), ...data]);
}
