import { InvalidArgumentError } from '@gateskip/errors';
import type { KvMode } from '@gateskip/gate';
import type { Budget } from '@gateskip/scheduler';
import type { GenerateRequest, SamplingOptions } from '../api.js';
import type { SamplingSettings } from '../sampling/sampling-settings.js';
import { booleanOf, integerIn, numberIn, oneOf, recordOf, refuse } from './checks.js';
import type { RequestSettings } from './request-settings.js';

const maxStopStrings = 16;
const maxStopLength = 1024;
const maxMessages = 4096;
const maxOptionsLength = 65536;
const maxInteger = 2147483647;

/**
 * Checks everything of a request that can be checked without the model, before anything is allocated or run.
 *
 * @throws InvalidArgumentError whose `fields.what` names the field.
 */
export function validateRequest(request: GenerateRequest): RequestSettings {
  recordOf('request', request);
  checkPrompt(request);
  const { maxTokens, overflow, stop, budget, policy, policyOptions, kv, logprobs, prefillChunk, trace, ignoreEnd, signal } = request;
  if (signal !== undefined && (typeof signal !== 'object' || typeof signal.addEventListener !== 'function'))
    refuse('signal', 'an AbortSignal', signal);
  if (budget === undefined && policy !== undefined) refuse('policy', 'absent where no budget is given', policy);
  if (budget === undefined && policyOptions !== undefined) refuse('policyOptions', 'absent where no budget is given', policyOptions);
  if (policy !== undefined && (typeof policy !== 'string' || policy.length === 0 || policy.length > 64))
    refuse('policy', 'the name of a policy', policy);
  return {
    maxTokens: maxTokens === undefined ? undefined : integerIn('maxTokens', maxTokens, 0, maxInteger),
    overflow: overflow === undefined ? 'error' : oneOf('overflow', overflow, ['error', 'clamp']),
    stop: checkStop(stop),
    sampling: checkSampling(request.sampling),
    budget: budget === undefined ? undefined : checkBudget(budget),
    policy,
    policyOptions: policyOptions === undefined ? undefined : checkOptions(policyOptions),
    kv: kv === undefined ? undefined : oneOf<KvMode>('kv', kv, ['project', 'absent', 'alias']),
    logprobs: logprobs === undefined ? undefined : integerIn('logprobs', logprobs, 0, 20),
    prefillChunk: prefillChunk === undefined ? undefined : integerIn('prefillChunk', prefillChunk, 1, maxInteger),
    trace: trace === undefined ? false : booleanOf('trace', trace),
    ignoreEnd: ignoreEnd === undefined ? false : booleanOf('ignoreEnd', ignoreEnd),
  };
}

function checkPrompt(request: GenerateRequest): void {
  const { prompt, messages, tokens } = request;
  const given = [prompt, messages, tokens].filter((input) => input !== undefined).length;
  if (given !== 1) {
    throw new InvalidArgumentError(`Exactly one of prompt, messages and tokens must be given, got ${given}.`, '', {
      what: 'prompt',
      got: given,
    });
  }
  if (prompt !== undefined && typeof prompt !== 'string') refuse('prompt', 'a string', prompt);
  if (messages !== undefined) {
    if (!Array.isArray(messages) || messages.length === 0 || messages.length > maxMessages) {
      refuse('messages', `an array of 1 to ${maxMessages} messages`, Array.isArray(messages) ? `${messages.length} messages` : messages);
    }
    messages.forEach((message: unknown, index) => {
      const { role, content } = recordOf(`messages[${index}]`, message);
      if (typeof role !== 'string' || role.length === 0 || role.length > 64)
        refuse(`messages[${index}].role`, 'a string of 1 to 64 characters', role);
      if (typeof content !== 'string') refuse(`messages[${index}].content`, 'a string', content);
    });
  }
  if (tokens !== undefined && (typeof tokens !== 'object' || tokens === null || !Number.isInteger(tokens.length) || tokens.length < 0)) {
    refuse('tokens', 'an array of token ids', tokens);
  }
}

function checkStop(stop: unknown): readonly string[] {
  if (stop === undefined) return [];
  if (!Array.isArray(stop) || stop.length > maxStopStrings) {
    refuse('stop', `an array of at most ${maxStopStrings} strings`, Array.isArray(stop) ? `${stop.length} entries` : stop);
  }
  return stop.map((text: unknown, index) => {
    if (typeof text !== 'string' || text.length === 0 || text.length > maxStopLength || /\p{Surrogate}/u.test(text)) {
      refuse(`stop[${index}]`, `well-formed text of 1 to ${maxStopLength} characters`, text);
    }
    return text;
  });
}

function checkSampling(options: SamplingOptions | undefined): SamplingSettings {
  const sampling = options === undefined ? {} : (recordOf('sampling', options) as SamplingOptions);
  return {
    temperature: numberIn('sampling.temperature', sampling.temperature ?? 0, 0, 100),
    topK: integerIn('sampling.topK', sampling.topK ?? 0, 0, maxInteger),
    topP: numberIn('sampling.topP', sampling.topP ?? 1, 0, 1),
    minP: numberIn('sampling.minP', sampling.minP ?? 0, 0, 1),
    repetitionPenalty: numberIn('sampling.repetitionPenalty', sampling.repetitionPenalty ?? 1, 0.01, 100),
    repetitionWindow: integerIn('sampling.repetitionWindow', sampling.repetitionWindow ?? 64, 1, maxInteger),
    seed: integerIn('sampling.seed', sampling.seed ?? Math.floor(Math.random() * 4294967296), 0, Number.MAX_SAFE_INTEGER),
  };
}

function checkBudget(value: unknown): Budget {
  const budget = recordOf('budget', value);
  const keys = Object.keys(budget);
  const key = keys[0];
  if (keys.length !== 1 || key === undefined)
    refuse('budget', 'an object with one of skip, net, speedup', `keys ${keys.slice(0, 4).join(', ') || 'none'}`);
  switch (key) {
    case 'skip':
      return { skip: numberIn('budget.skip', budget[key], 0, 1) };
    case 'net':
      return { net: numberIn('budget.net', budget[key], 0, 1) };
    case 'speedup':
      return { speedup: numberIn('budget.speedup', budget[key], 1, 1e6) };
    default:
      return refuse('budget', 'an object with one of skip, net, speedup', `the key ${key}`);
  }
}

function checkOptions(value: unknown): Readonly<Record<string, unknown>> {
  const options = recordOf('policyOptions', value);
  let size: number;
  try {
    size = JSON.stringify(options).length;
  } catch {
    return refuse('policyOptions', 'plain data', 'something that JSON cannot hold');
  }
  if (size > maxOptionsLength) refuse('policyOptions', `at most ${maxOptionsLength} characters of JSON`, `${size} characters`);
  return options;
}
