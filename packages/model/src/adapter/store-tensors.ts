import type { FloatArray } from '@gateskip/gate';
import { floatToBfloat, floatToHalf } from '../formats/half.js';
import type { SafetensorsTensor } from '../safetensors/write-file.js';
import { type BackboneChanges, type LoraChanges, type LoraFactors, loraNames } from './backbone-changes.js';
import { checkFinite, type Fail } from './check-json.js';

export type StoredType = 'F32' | 'F16' | 'BF16';

/** Numbers as they lie in the file; refuses what the type cannot hold. */
export function store(values: FloatArray, type: StoredType, name: string, fail: Fail): Uint8Array {
  const width = type === 'F32' ? 4 : 2;
  const view = new DataView(new ArrayBuffer(values.length * width));
  for (let i = 0; i < values.length; i++) {
    const value = values[i] as number;
    if (type === 'F32') {
      if (!Number.isFinite(Math.fround(value))) fail(`"${name}" holds ${value}, beyond what F32 can store.`);
      view.setFloat32(4 * i, value, true);
    } else {
      const bits = type === 'F16' ? floatToHalf(value) : floatToBfloat(value);
      const isInfinite = type === 'F16' ? (bits & 0x7c00) === 0x7c00 : (bits & 0x7f80) === 0x7f80;
      if (isInfinite) fail(`"${name}" holds ${value}, beyond what ${type} can store.`);
      view.setUint16(2 * i, bits, true);
    }
  }
  return new Uint8Array(view.buffer);
}

/** Adds the tensors of backbone changes, their shapes checked before. */
export function storeBackbone(
  { lora, norms }: BackboneChanges,
  type: StoredType,
  tensors: Map<string, SafetensorsTensor>,
  fail: Fail,
): void {
  const put = (name: string, values: FloatArray, shape: readonly number[], as: StoredType): void => {
    checkFinite(values, `"${name}"`, fail);
    tensors.set(name, { type: as, shape, bytes: store(values, as, name, fail) });
  };
  for (const [layer, factors] of lora?.layers.entries() ?? []) {
    for (const matrix of lora?.matrices ?? []) {
      const { down, up } = factors[matrix] as LoraFactors;
      const rank = (lora as LoraChanges).rank;
      const names = loraNames(layer, matrix);
      put(names.down, down, [rank, down.length / rank], type);
      put(names.up, up, [up.length / rank, rank], type);
    }
  }
  for (const [name, values] of norms ?? []) put(name, values, [values.length], 'F32');
}
