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
