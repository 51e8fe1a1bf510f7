import type { Runner } from '@gateskip/backend';
import type { Model } from '@gateskip/model';
import { measureSpeed } from './measure-speed.js';
import type { Run } from './open-runs.js';
import type { SpeedResult } from './results.js';
import { speedPrompt } from './speed-prompt.js';

export interface SpeedSetting {
  /** Default 5; 0: none. */
  readonly rounds?: number;
  /** Default 512, less where the context is short. */
  readonly promptTokens?: number;
  /** Default 64, less where the context is short. */
  readonly decodeTokens?: number;
}

export function fullSpeedSetting(setting: SpeedSetting = {}, contextLength: number): Required<SpeedSetting> {
  const {
    rounds = 5,
    promptTokens = Math.min(512, contextLength - 1),
    decodeTokens = Math.min(64, Math.floor(contextLength / 2)),
  } = setting;
  return { rounds, promptTokens, decodeTokens };
}

export interface SpeedRunOptions {
  readonly model: Model;
  readonly runner: Runner;
  readonly denseRunner?: Runner;
  readonly seed: number;
  readonly onRound?: (done: number) => void;
  readonly signal?: AbortSignal | undefined;
}

/** Speed of all runs in turns; null for those that must know a text before it is written. */
export async function runSpeed(
  runs: readonly Run[],
  { rounds, promptTokens, decodeTokens }: Required<SpeedSetting>,
  options: SpeedRunOptions,
): Promise<(SpeedResult | null)[]> {
  const { model, runner, denseRunner = runner, seed, onRound, signal } = options;
  const timed = runs.filter((run) => !run.needsScores);
  if (timed.length === 0) return runs.map(() => null);
  const prompt = speedPrompt(model, promptTokens, seed);
  const policies = timed.map(({ policy }) => policy);
  const results = await measureSpeed({ runner, denseRunner, policies, prompt, decodeTokens, rounds, signal, ...(onRound && { onRound }) });
  return runs.map((run) => results[timed.indexOf(run)] ?? null);
}
