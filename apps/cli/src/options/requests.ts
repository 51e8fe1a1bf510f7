import type { GenerateRequest } from '@gateskip/engine';
import type { Budget } from '@gateskip/scheduler';
import { UsageError } from '../errors.js';
import type { BudgetOptions } from './budget-options.js';
import { defaultMaxTokens, type GenerationOptions, type SamplingOptions } from './generation-options.js';

/** What of a request is about skipping, checked as far as it can be without the model. */
export interface SkipRequest {
  readonly budget?: Budget;
  readonly policy?: string;
  readonly policyOptions?: Readonly<Record<string, unknown>>;
  readonly kv?: 'project' | 'absent' | 'alias';
}

/** @throws InvalidBudgetError, UnknownPolicyError, UsageError */
export async function skipRequest({ budget, policy, policyOption, profile, kv }: BudgetOptions): Promise<SkipRequest> {
  const { parseBudget, policies, UnknownPolicyError } = await import('@gateskip/scheduler');
  const names = policies.map(({ name }) => name);
  if (policy !== undefined && !names.includes(policy)) throw new UnknownPolicyError(policy, names);
  if (budget === undefined) {
    const alone = [
      policy !== undefined && '--policy',
      policyOption && '--policy-option',
      profile !== undefined && '--profile',
      kv && '--kv',
    ].find(Boolean);
    if (alone) throw new UsageError(`${alone} says how to skip, and there is no budget.`, 'Add --budget 25%.', { what: alone });
    return {};
  }
  return {
    budget: parseBudget(budget),
    ...(policy !== undefined && { policy }),
    ...(policyOption && { policyOptions: policyOption }),
    ...(kv && { kv }),
  };
}

/** Whether a policy asks the gates, or what was measured of them. */
export async function needsGates({ budget, policy }: SkipRequest): Promise<boolean> {
  if (budget === undefined) return false;
  const { policies, defaultPolicyName } = await import('@gateskip/scheduler');
  const needs = policies.find(({ name }) => name === (policy ?? defaultPolicyName))?.needs ?? [];
  return needs.includes('gates') || needs.includes('calibration');
}

type TextRequest = Pick<GenerateRequest, 'sampling' | 'maxTokens' | 'stop' | 'ignoreEnd' | 'prefillChunk' | 'overflow'>;

export function generationRequest(options: GenerationOptions): TextRequest {
  const { maxTokens, stop, ignoreEnd, prefillChunk, contextOverflow } = options;
  return {
    sampling: samplingRequest(options),
    maxTokens: maxTokens ?? defaultMaxTokens,
    // A limit that nobody asked for gives way to the context.
    overflow: contextOverflow ?? (maxTokens === undefined ? 'clamp' : 'error'),
    ...(stop && { stop }),
    ...(ignoreEnd && { ignoreEnd }),
    ...(prefillChunk !== undefined && { prefillChunk }),
  };
}

export function samplingRequest(options: SamplingOptions): NonNullable<GenerateRequest['sampling']> {
  const { temperature, topK, topP, minP, repetitionPenalty, repetitionWindow, seed } = options;
  const given = { temperature, topK, topP, minP, repetitionPenalty, repetitionWindow, seed };
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
}
