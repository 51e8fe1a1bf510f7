import type { Trainer } from '@gateskip/backend';
import type { AdamW, AdamWState } from '../optimizer/adam-w.js';
import { decodeAdamWState } from '../optimizer/state-bytes.js';
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

/** All that is needed to go on bit for bit, as views of the arrays: write it before they change. */
export function runCheckpoint(state: RunState, { trainer, optimizer, planner }: RunParts): Checkpoint {
  const { bins, ...numbers } = planner.state();
  const { step: optimizerStep, moments } = optimizer.view();
  const blobs = new Map<string, Uint8Array>([['planner', bytesOf(bins)]]);
  for (const { name, value } of trainer.parameters) {
    const { first, second } = moments.get(name)!;
    blobs.set(`value.${name}`, bytesOf(value));
    blobs.set(`first.${name}`, bytesOf(first));
    blobs.set(`second.${name}`, bytesOf(second));
  }
  return { state: { ...state, planner: numbers, optimizerStep }, blobs };
}

/** @throws CheckpointInvalidError, InvalidArgumentError where it is of other parameters */
export function restoreRun(checkpoint: Checkpoint, path: string, { trainer, optimizer, planner }: RunParts): RunState {
  const { planner: numbers, optimizerStep, ...state } = readState(checkpoint.state, path);
  const values = trainer.parameters.map(({ name, value }) => float32Blob(checkpoint, `value.${name}`, value.length, path));
  optimizer.restore(optimizerState(checkpoint, path, optimizerStep, trainer));
  planner.restore({ ...numbers, bins: float64Blob(checkpoint, 'planner', ScoreHistogram.length, path) });
  for (const [index, { value }] of trainer.parameters.entries()) value.set(values[index]!);
  return state;
}

function optimizerState(checkpoint: Checkpoint, path: string, step: number | undefined, { parameters }: Trainer): AdamWState {
  // Earlier checkpoints hold the optimiser as one array.
  const bytes = checkpoint.blobs.get('optimizer');
  if (bytes !== undefined) return decodeAdamWState(bytes);
  if (step === undefined) throw new CheckpointInvalidError(path, 'it lacks the optimiser');
  const moments = parameters.map(({ name, value: { length } }) => {
    const of = (moment: string): Float32Array => float32Blob(checkpoint, `${moment}.${name}`, length, path);
    return [name, { first: of('first'), second: of('second') }] as const;
  });
  return { step, moments: new Map(moments) };
}

type StoredState = RunState & {
  readonly planner: { denseMacs: number; correction: number; rowsPerMac: number };
  readonly optimizerStep?: number;
};

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
