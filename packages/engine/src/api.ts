import type { Backend, LoadOptions, Runner } from '@gateskip/backend';
import type { KvMode } from '@gateskip/gate';
import type { GateAdapter, Model } from '@gateskip/model';
import type { BranchProfile, Budget } from '@gateskip/scheduler';

export interface EngineOptions {
  readonly model: Model;
  readonly backend: Backend;
  readonly adapter?: GateAdapter;
  /** Measurements of the dense model, for policies that need a profile. */
  readonly profile?: BranchProfile;
  /** Passed to {@link Backend.load}. */
  readonly load?: Omit<LoadOptions, 'adapter'>;
  /** Most rows in one step; default 512. */
  readonly maxRows?: number;
  /** Most sequences in one step; default 64. Others wait their turn. */
  readonly maxSequences?: number;
}

export interface ChatMessage {
  readonly role: 'system' | 'user' | 'assistant' | (string & {});
  readonly content: string;
}

export interface SamplingOptions {
  /** 0 = greedy (default). */
  readonly temperature?: number;
  /** 0 = off. */
  readonly topK?: number;
  readonly topP?: number;
  readonly minP?: number;
  /** 1 = off. Over the last `repetitionWindow` tokens, prompt included. */
  readonly repetitionPenalty?: number;
  readonly repetitionWindow?: number;
  /** Same seed, same text on the same backend, alone or in a batch. Default: random, reported in the result. */
  readonly seed?: number;
}

export interface GenerateRequest {
  /** Exactly one of prompt, messages, tokens. */
  readonly prompt?: string;
  readonly messages?: readonly ChatMessage[];
  readonly tokens?: ArrayLike<number>;
  /** Default: as many as the context holds. */
  readonly maxTokens?: number;
  /** What happens when prompt + maxTokens exceeds the context: `error` (default) or `clamp`, which is reported. */
  readonly overflow?: 'error' | 'clamp';
  /** Up to 16 strings; the text ends before the first one found. */
  readonly stop?: readonly string[];
  readonly sampling?: SamplingOptions;
  /** Absent: dense. */
  readonly budget?: Budget;
  /** Name of a policy of @gateskip/scheduler; default: the global calibrated threshold. */
  readonly policy?: string;
  readonly policyOptions?: Readonly<Record<string, unknown>>;
  readonly kv?: KvMode;
  /** Log-probabilities of the chosen token and of the `logprobs` likeliest (0..20). */
  readonly logprobs?: number;
  /** Most prompt rows per step; changes speed, never the text. */
  readonly prefillChunk?: number;
  /** Keep per-token, per-branch scores and kept flags of everything, for heat maps. */
  readonly trace?: boolean;
  /** Ignore the model's stop tokens (benchmarks). */
  readonly ignoreEnd?: boolean;
  readonly signal?: AbortSignal;
}

export interface TokenLogprobs {
  readonly token: number;
  readonly text: string;
  readonly logprob: number;
  readonly top: readonly { readonly token: number; readonly text: string; readonly logprob: number }[];
}

export interface GenerationChunk {
  /** New text; whole characters only. May be empty while bytes of a character or of a stop string are held back. */
  readonly text: string;
  /** The tokens this chunk stands for. */
  readonly tokens: readonly number[];
  readonly logprobs?: readonly TokenLogprobs[];
}

export interface SkipStatistics {
  readonly asked: Budget | undefined;
  /** Over prompt and answer. */
  readonly held: { readonly skip: number; readonly net: number };
  readonly prefill: { readonly skip: number; readonly net: number };
  readonly decode: { readonly skip: number; readonly net: number };
  /** Share of rows that skipped, per branch: [2L]. */
  readonly branches: readonly number[];
}

export interface GenerationResult {
  readonly text: string;
  readonly tokens: readonly number[];
  readonly finishReason: 'stop' | 'length';
  /** The stop string that ended it, if one did. */
  readonly stopString?: string;
  readonly promptTokens: number;
  readonly completionTokens: number;
  /** Milliseconds; prefill is until the first token is known. */
  readonly timings: { readonly queuedMs: number; readonly prefillMs: number; readonly decodeMs: number };
  readonly prefillTokensPerSecond: number;
  /** 0 where fewer than two tokens were made. */
  readonly decodeTokensPerSecond: number;
  readonly skip: SkipStatistics;
  readonly policy: string;
  readonly kvRows: { readonly used: number; readonly dense: number };
  readonly seed: number;
  /** Whether maxTokens was cut to fit the context. */
  readonly clamped: boolean;
  /** What the caller should know and did not ask for, e.g. a budget that was missed by far. Usually empty. */
  readonly warnings: readonly string[];
  readonly backend: string;
  readonly logprobs?: readonly TokenLogprobs[];
  readonly trace?: GenerationTrace;
}

/** Per token of prompt and answer (the last sampled token has not run through the model and is not in it). */
export interface GenerationTrace {
  readonly tokens: readonly number[];
  readonly texts: readonly string[];
  readonly branches: number;
  /** [tokens, 2L]; NaN where no gate was asked. */
  readonly scores: Float32Array;
  /** [tokens, 2L] */
  readonly kept: Uint8Array;
  readonly promptTokens: number;
}

/** Iterate it for the stream; await `result` for the whole. Both may be used; neither must be. */
export interface Generation extends AsyncIterable<GenerationChunk> {
  readonly result: Promise<GenerationResult>;
  abort(): void;
}

export interface Engine {
  readonly model: Model;
  readonly runner: Runner;
  readonly adapter: GateAdapter | undefined;
  generate(request: GenerateRequest): Generation;
  /** Requests running and waiting. */
  readonly load: { readonly running: number; readonly waiting: number };
  /**
   * Resolves when nothing runs or waits any more. From then until the next request the runner may be used directly: an aborted
   * request is settled before the step that it was part of has ended.
   */
  idle(): Promise<void>;
  /** Aborts what runs, frees the runner. Does not close the model. */
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}
