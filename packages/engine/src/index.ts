export type {
  ChatMessage,
  Engine,
  EngineOptions,
  GenerateRequest,
  Generation,
  GenerationChunk,
  GenerationResult,
  GenerationTrace,
  SamplingOptions,
  SkipStatistics,
  TokenLogprobs,
} from './api.js';
export { createEngine } from './create-engine.js';
export { ContextOverflowError, NonFiniteLogitsError, PromptTooLongError, StepFailedError } from './errors.js';
