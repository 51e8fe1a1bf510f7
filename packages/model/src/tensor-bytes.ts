import { typeInfo } from './formats/type-info.js';
import type { TensorType } from './model.js';

/** Bytes of `rows` rows of `columns` values, or undefined where a row is no whole number of blocks or the size is not exact. */
export function tensorBytes(type: TensorType, rows: number, columns: number): number | undefined {
  const { blockElements, blockBytes } = typeInfo(type);
  if (columns % blockElements !== 0) return undefined;
  const size = rows * (columns / blockElements) * blockBytes;
  return Number.isSafeInteger(size) ? size : undefined;
}
