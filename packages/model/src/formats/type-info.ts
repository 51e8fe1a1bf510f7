import type { TensorType } from '../model.js';

/** How a tensor type is stored: `blockElements` consecutive values of a row take `blockBytes` bytes. */
export interface TypeInfo {
  readonly blockElements: number;
  readonly blockBytes: number;
}

const INFOS: Readonly<Record<TensorType, TypeInfo>> = {
  F32: { blockElements: 1, blockBytes: 4 },
  F16: { blockElements: 1, blockBytes: 2 },
  BF16: { blockElements: 1, blockBytes: 2 },
  Q4_0: { blockElements: 32, blockBytes: 18 },
  Q4_1: { blockElements: 32, blockBytes: 20 },
  Q8_0: { blockElements: 32, blockBytes: 34 },
};

export const tensorTypes: readonly TensorType[] = ['F32', 'F16', 'BF16', 'Q4_0', 'Q4_1', 'Q8_0'];

export function typeInfo(type: TensorType): TypeInfo {
  return INFOS[type];
}
