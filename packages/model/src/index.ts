export type { AdapterProvenance, GateAdapter } from './adapter/gate-adapter.js';
export type { Model, TensorData, TensorInfo, TensorType } from './model.js';
export type { ModelConfig, RopeLayout, RopeScaling } from './model-config.js';
export { tensorShapes } from './tensor-names.js';
export type { Tokenizer } from './tokenizer/tokenizer.js';
