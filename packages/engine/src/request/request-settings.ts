import type { KvMode } from '@gateskip/gate';
import type { Budget } from '@gateskip/scheduler';
import type { SamplingSettings } from '../sampling/sampling-settings.js';

/** A request after its bounds were checked and its defaults filled in; the prompt comes apart, as tokens. */
export interface RequestSettings {
  /** undefined: as many as the context holds. */
  readonly maxTokens: number | undefined;
  readonly overflow: 'error' | 'clamp';
  readonly stop: readonly string[];
  readonly sampling: SamplingSettings;
  readonly budget: Budget | undefined;
  readonly policy: string | undefined;
  readonly policyOptions: Readonly<Record<string, unknown>> | undefined;
  readonly kv: KvMode | undefined;
  /** undefined: none wanted. */
  readonly logprobs: number | undefined;
  readonly prefillChunk: number | undefined;
  readonly trace: boolean;
  readonly ignoreEnd: boolean;
}
