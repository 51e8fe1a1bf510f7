import type { TensorType } from '../model.js';

/** Metadata value types of the GGUF specification; the index is the number in the file. Sizes in bytes, 0 = varies. */
export const valueTypes = [
  { name: 'UINT8', sizeBytes: 1 },
  { name: 'INT8', sizeBytes: 1 },
  { name: 'UINT16', sizeBytes: 2 },
  { name: 'INT16', sizeBytes: 2 },
  { name: 'UINT32', sizeBytes: 4 },
  { name: 'INT32', sizeBytes: 4 },
  { name: 'FLOAT32', sizeBytes: 4 },
  { name: 'BOOL', sizeBytes: 1 },
  { name: 'STRING', sizeBytes: 0 },
  { name: 'ARRAY', sizeBytes: 0 },
  { name: 'UINT64', sizeBytes: 8 },
  { name: 'INT64', sizeBytes: 8 },
  { name: 'FLOAT64', sizeBytes: 8 },
] as const;

export const STRING = 8;
export const ARRAY = 9;

/** GGML type numbers that are read here. */
export const tensorTypes: ReadonlyMap<number, TensorType> = new Map([
  [0, 'F32'],
  [1, 'F16'],
  [2, 'Q4_0'],
  [3, 'Q4_1'],
  [8, 'Q8_0'],
  [30, 'BF16'],
]);

/** Names of the GGML types that are not read here, for the message. */
const otherTensorTypes: ReadonlyMap<number, string> = new Map([
  [6, 'Q5_0'],
  [7, 'Q5_1'],
  [9, 'Q8_1'],
  [10, 'Q2_K'],
  [11, 'Q3_K'],
  [12, 'Q4_K'],
  [13, 'Q5_K'],
  [14, 'Q6_K'],
  [15, 'Q8_K'],
  [16, 'IQ2_XXS'],
  [17, 'IQ2_XS'],
  [18, 'IQ3_XXS'],
  [19, 'IQ1_S'],
  [20, 'IQ4_NL'],
  [21, 'IQ3_S'],
  [22, 'IQ2_S'],
  [23, 'IQ4_XS'],
  [24, 'I8'],
  [25, 'I16'],
  [26, 'I32'],
  [27, 'I64'],
  [28, 'F64'],
  [29, 'IQ1_M'],
  [34, 'TQ1_0'],
  [35, 'TQ2_0'],
  [39, 'MXFP4'],
]);

export const tensorTypeName = (type: number): string => tensorTypes.get(type) ?? otherTensorTypes.get(type) ?? `unknown type ${type}`;
