import type { Runner } from '@gateskip/backend';
import { AbortedError, InvalidArgumentError } from '@gateskip/errors';
import type { Policy } from '@gateskip/scheduler';
import { Lane } from '../scoring/lane.js';
import { runRows } from '../scoring/run-rows.js';
import { addUsage, heldOf, noUsage, type Usage } from '../scoring/usage.js';
import { spreadOf } from '../statistics/mean.js';
import type { SpeedResult } from './results.js';

export interface SpeedOptions {
  readonly runner: Runner;
  /** Runs what is dense; default: `runner`. */
  readonly denseRunner?: Runner;
  /** In turns, every second round backwards; undefined: dense. */
  readonly policies: readonly (Policy | undefined)[];
  /** Read for prefill; its start, for decode. */
  readonly prompt: Int32Array;
  /** Written after a short prompt, greedily and past every end. */
  readonly decodeTokens: number;
  readonly rounds: number;
  readonly onRound?: (done: number) => void;
  readonly signal?: AbortSignal | undefined;
}

/** Prompt tokens before what is decoded: few, so that decode is weights and not context. */
const DECODE_PROMPT_TOKENS = 32;
const CHUNK_ROWS = 512;

interface Samples {
  readonly prefill: number[];
  readonly decode: number[];
  prefillUsage: Usage;
  decodeUsage: Usage;
}

/** Tokens per second of each policy, one sequence at a time; the first round warms up and does not count. */
export async function measureSpeed(options: SpeedOptions): Promise<SpeedResult[]> {
  const { runner, denseRunner = runner, policies, prompt, decodeTokens, rounds, onRound, signal } = options;
  const { contextLength } = runner.config;
  if (prompt.length < 1 || prompt.length >= contextLength || Math.min(DECODE_PROMPT_TOKENS, prompt.length) + decodeTokens >= contextLength)
    throw new InvalidArgumentError(
      `A context of ${contextLength} holds no prompt of ${prompt.length} tokens or no answer of ${decodeTokens}.`,
    );
  const samples = policies.map((): Samples => ({ prefill: [], decode: [], prefillUsage: noUsage, decodeUsage: noUsage }));
  const order = policies.map((policy, index) => ({ policy, own: samples[index] as Samples }));
  for (let round = 0; round <= rounds; round++) {
    for (const { policy, own } of round % 2 === 0 ? order : [...order].reverse()) {
      const timed = policy === undefined ? denseRunner : runner;
      const read = await timePrefill(timed, policy, prompt, signal);
      const written = await timeDecode(timed, policy, prompt.subarray(0, DECODE_PROMPT_TOKENS), decodeTokens, signal);
      if (round === 0) continue;
      own.prefill.push(read.perSecond);
      own.decode.push(written.perSecond);
      own.prefillUsage = addUsage(own.prefillUsage, read.usage);
      own.decodeUsage = addUsage(own.decodeUsage, written.usage);
    }
    onRound?.(round);
  }
  const branches = 2 * runner.config.layers;
  const dense = samples[policies.indexOf(undefined)];
  const over = (values: readonly number[], bases: readonly number[]) =>
    spreadOf(values.map((value, round) => value / (bases[round] as number)));
  return samples.map((own) => ({
    prefill: spreadOf(own.prefill),
    decode: spreadOf(own.decode),
    ...(dense && { prefillOverDense: over(own.prefill, dense.prefill), decodeOverDense: over(own.decode, dense.decode) }),
    prefillHeld: heldOf(own.prefillUsage, branches),
    decodeHeld: heldOf(own.decodeUsage, branches),
    promptTokens: prompt.length,
    decodeTokens,
    rounds,
  }));
}

interface Timed {
  readonly perSecond: number;
  readonly usage: Usage;
}

async function timePrefill(
  runner: Runner,
  policy: Policy | undefined,
  prompt: Int32Array,
  signal: AbortSignal | undefined,
): Promise<Timed> {
  const lane = Lane.open(runner, policy, prompt.length);
  try {
    const startMs = performance.now();
    await readPrompt(lane, prompt, signal);
    return { perSecond: (1000 * prompt.length) / (performance.now() - startMs), usage: lane.usage };
  } finally {
    lane.close();
  }
}

async function timeDecode(
  runner: Runner,
  policy: Policy | undefined,
  prompt: Int32Array,
  tokens: number,
  signal: AbortSignal | undefined,
): Promise<Timed> {
  const lane = Lane.open(runner, policy, prompt.length);
  try {
    let token = await readPrompt(lane, prompt, signal);
    lane.usage = noUsage;
    const startMs = performance.now();
    for (let written = 0; written < tokens; written++) token = await readPrompt(lane, Int32Array.of(token), signal);
    return { perSecond: (1000 * tokens) / (performance.now() - startMs), usage: lane.usage };
  } finally {
    lane.close();
  }
}

/** @returns the likeliest next token */
async function readPrompt(lane: Lane, tokens: Int32Array, signal: AbortSignal | undefined): Promise<number> {
  let next = 0;
  for (let from = 0; from < tokens.length; ) {
    if (signal?.aborted) throw new AbortedError('The measurement');
    const rows = Math.min(CHUNK_ROWS, tokens.length - from, lane.span);
    const outputs = from + rows === tokens.length ? [rows - 1] : [];
    const { result } = await runRows(lane.runner, [{ lane, tokens: tokens.subarray(from, from + rows), outputs }], {
      topLogits: 1,
      signal,
    });
    next = result.top?.tokens[0] ?? next;
    from += rows;
  }
  return next;
}
