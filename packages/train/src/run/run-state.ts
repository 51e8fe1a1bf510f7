import type { Trainer } from '@gateskip/backend';
import type { AdamW } from '../optimizer/adam-w.js';
import { decodeAdamWState, encodeAdamWState } from '../optimizer/state-bytes.js';
import { bytesOf, type Checkpoint, float32Blob, float64Blob } from './checkpoint.js';
import { CheckpointInvalidError } from './errors.js';
import type { HeldOutCurve } from './held-out-curve.js';
import { ScoreHistogram } from './score-histogram.js';
import type { SkipPlanner } from './skip-planner.js';
import type { TextPosition } from './text-stream.js';

/** What changes while a run goes on, beside the arrays. Plain data. */
export interface RunState {
  /** Updates made. */
  step: number;
  tokens: number;
  /** Share of the run that is done, 0..1: what schedules go by. */
  progress: number;
  /** Time spent in training, over all its parts. */
  elapsedMs: number;
  position: TextPosition;
  /** Tokens at the last look. */
  lookedAt: number;
  /** What a look takes. */
  lookMs: number;
  looks: HeldOutCurve[];
  heldOutTokens: number;
  /** Rows of a micro-batch of updates, and of one of a look. */
  rows: number;
  lookRows: number;
  /** Pairs of {@link heldOutCurve}'s corrections. */
  corrections: [number, number][];
}

export interface RunParts {
  readonly trainer: Trainer;
  readonly optimizer: AdamW;
  readonly planner: SkipPlanner;
}

/** All that is needed to go on bit for bit. */
export function runCheckpoint(state: RunState, { trainer, optimizer, planner }: RunParts): Checkpoint {
  const { bins, ...numbers } = planner.state();
  const blobs = new Map<string, Uint8Array>([
    ['planner', bytesOf(bins)],
    ['optimizer', encodeAdamWState(optimizer.state())],
  ]);
  for (const { name, value } of trainer.parameters) blobs.set(`value.${name}`, bytesOf(value));
  return { state: { ...state, planner: numbers }, blobs };
}

/** @throws CheckpointInvalidError, InvalidArgumentError where it is of other parameters */
export function restoreRun(checkpoint: Checkpoint, path: string, { trainer, optimizer, planner }: RunParts): RunState {
  const { planner: numbers, ...state } = readState(checkpoint.state, path);
  const values = trainer.parameters.map(({ name, value }) => float32Blob(checkpoint, `value.${name}`, value.length, path));
  const optimizerBytes = checkpoint.blobs.get('optimizer');
  if (optimizerBytes === undefined) throw new CheckpointInvalidError(path, 'it lacks the optimiser');
  optimizer.restore(decodeAdamWState(optimizerBytes));
  planner.restore({ ...numbers, bins: float64Blob(checkpoint, 'planner', ScoreHistogram.length, path) });
  for (const [index, { value }] of trainer.parameters.entries()) value.set(values[index]!);
  return state;
}

type StoredState = RunState & { readonly planner: { denseMacs: number; correction: number; rowsPerMac: number } };

/** The check sum tells damage; this tells a file of another kind. */
function readState(value: unknown, path: string): StoredState {
  const state = value as StoredState;
  const numbers = [
    state?.step,
    state?.tokens,
    state?.progress,
    state?.elapsedMs,
    state?.position?.epoch,
    state?.position?.index,
    state?.planner?.correction,
  ];
  if (!numbers.every((each) => typeof each === 'number' && each >= 0) || !Array.isArray(state.looks))
    throw new CheckpointInvalidError(path, 'its state lacks numbers');
  return state;
}
