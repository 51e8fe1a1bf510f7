export type { AdapterProvenance, GateAdapter } from './adapter/gate-adapter.js';
export {
  InvalidModelError,
  ModelIoError,
  TemplateError,
  UnsupportedModelError,
  UnsupportedTensorTypeError,
  UnsupportedTokenizerError,
} from './errors.js';
export { dequantize, storedBytes } from './formats/dequantize.js';
export { bfloatToFloat, floatToBfloat, floatToHalf, halfToFloat } from './formats/half.js';
export { quantize } from './formats/quantize.js';
export type { TypeInfo } from './formats/type-info.js';
export { tensorTypes, typeInfo } from './formats/type-info.js';
export type { MemoryTensor } from './memory-model.js';
export { createMemoryModel } from './memory-model.js';
export type { Model, TensorData, TensorInfo, TensorType } from './model.js';
export type { ModelConfig, RopeLayout, RopeScaling } from './model-config.js';
export { openModel } from './open-model.js';
export type { RandomModelOptions } from './random-model.js';
export { createRandomModel } from './random-model.js';
export { tensorShapes } from './tensor-names.js';
export type { Tokenizer } from './tokenizer/tokenizer.js';
