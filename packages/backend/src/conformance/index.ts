export { type PolicySequence, type PolicySetting, type PolicyUnderTest, policyCases } from './cases/policy-cases.js';
export { conformanceCases } from './conformance-cases.js';
export { ConformanceError } from './conformance-error.js';
export type { ConformanceCase, ConformanceOptions, Tolerance } from './options.js';
export { FLOAT32_TOLERANCE } from './options.js';
export type { RandomAdapterOptions } from './random-adapter.js';
export { createRandomAdapter } from './random-adapter.js';
export type { TrainerConformanceOptions, TrainerTolerance } from './trainer-cases.js';
export { FLOAT32_TRAINER_TOLERANCE, trainerConformanceCases } from './trainer-cases.js';
