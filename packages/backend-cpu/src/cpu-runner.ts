import {
  type Capabilities,
  checkStep,
  type KvUsage,
  type Runner,
  type RunnerState,
  type SequenceId,
  type StepInput,
  type StepResult,
} from '@gateskip/backend';
import { AbortedError, BusyError, ClosedError, InvalidArgumentError, UnsupportedError } from '@gateskip/errors';
import { branchCount, type Plan } from '@gateskip/gate';
import type { GateAdapter, ModelConfig } from '@gateskip/model';
import type { NativeRunner } from './addon.js';
import { BACKBONE_CHANGES } from './backbone-request.js';
import { typedError } from './native-error.js';
import { stepArrays } from './step-arrays.js';
import { StepBlock } from './step-block.js';

/** Rows that one step may have: bounds the step's buffers (about 60 kB a row on a 135M model). */
const MAX_ROWS = 4096;

/** A model in native memory. Every step runs on threads of its own; the event loop only starts it and takes the result. */
export class CpuRunner implements Runner {
  readonly backend = 'cpu';
  readonly capabilities: Capabilities;
  readonly details: Readonly<Record<string, string | number | boolean>>;
  readonly #block: StepBlock;
  readonly #state: RunnerState;
  /** Tokens of each open sequence, as the addon has them: asking it costs more. */
  readonly #lengths = new Map<SequenceId, number>();
  #native: NativeRunner | undefined;
  #isStepping = false;
  /** The signal listened to: callers use one for many steps, and listening anew costs as much as the rest of a call. */
  #signal: AbortSignal | undefined;

  constructor(
    native: NativeRunner,
    readonly config: ModelConfig,
    readonly adapter: GateAdapter | undefined,
    details: Readonly<Record<string, string>>,
  ) {
    this.#native = native;
    this.details = { ...native.details(), ...details };
    this.capabilities = {
      rules: ['keep', 'threshold', 'fraction', 'quantile', 'repeat'],
      scorers: adapter === undefined ? ['none', 'random', 'given'] : ['none', 'gate', 'random', 'given'],
      kvModes: ['project', 'absent', 'alias'],
      backboneChanges: BACKBONE_CHANGES,
      canTrain: true,
      batchInvariant: true,
      offThread: true,
    };
    this.#block = new StepBlock(branchCount(config));
    const { capabilities } = this;
    this.#state = { config, adapter, capabilities, maxRows: MAX_ROWS, lengthOf: (sequence) => this.#lengths.get(sequence) };
  }

  openSequence(): SequenceId {
    const sequence = this.#idle().openSequence();
    this.#lengths.set(sequence, 0);
    return sequence;
  }

  fork(sequence: SequenceId, length?: number): SequenceId {
    const native = this.#idle();
    const tokens = this.sequenceLength(sequence);
    const kept = checkLength(length ?? tokens, tokens, sequence);
    const forked = native.fork(sequence, kept);
    this.#lengths.set(forked, kept);
    return forked;
  }

  truncate(sequence: SequenceId, length: number): void {
    const native = this.#idle();
    native.truncate(sequence, checkLength(length, this.sequenceLength(sequence), sequence));
    this.#lengths.set(sequence, length);
  }

  closeSequence(sequence: SequenceId): void {
    const native = this.#idle();
    this.sequenceLength(sequence);
    native.closeSequence(sequence);
    this.#lengths.delete(sequence);
  }

  sequenceLength(sequence: SequenceId): number {
    this.#idle();
    const length = this.#lengths.get(sequence);
    if (length === undefined) throw new InvalidArgumentError(`Sequence ${sequence} is not open.`, '', { got: sequence });
    return length;
  }

  kvUsage(sequence?: SequenceId): KvUsage {
    const native = this.#idle();
    const { used: poolRows, tokens: poolTokens, rowBytes } = native.usage();
    const tokens = sequence === undefined ? poolTokens : this.sequenceLength(sequence);
    const used = sequence === undefined ? poolRows : native.sequenceRows(sequence);
    return { used, dense: tokens * this.config.layers, bytes: used * rowBytes };
  }

  async step(input: StepInput, plans: readonly Plan[], signal?: AbortSignal): Promise<StepResult> {
    const native = this.#idle();
    const topCount = checkStep(input, plans, this.#state).topCount ?? 0;
    if (signal?.aborted) throw new AbortedError('The step');
    if (this.details.lora === 'merged') checkMerged(plans);
    this.#block.write(input, plans, topCount);
    const { result, memory, extras } = stepArrays(input, plans, topCount, this.config);
    this.#listenTo(signal);
    this.#isStepping = true;
    try {
      await native.step(this.#block.words, memory, extras);
    } catch (error) {
      throw typedError(error);
    } finally {
      this.#isStepping = false;
    }
    this.#block.eachSegment(this.#onRows);
    return result;
  }

  async close(): Promise<void> {
    if (this.#native === undefined) return;
    this.#idle().close();
    this.#native = undefined;
    this.#listenTo(undefined);
  }

  #listenTo(signal: AbortSignal | undefined): void {
    if (signal === this.#signal) return;
    this.#signal?.removeEventListener('abort', this.#onAbort);
    this.#signal = signal;
    signal?.addEventListener('abort', this.#onAbort);
  }

  readonly #onAbort = (): void => {
    if (this.#isStepping) this.#native?.cancel();
  };

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  readonly #onRows = (sequence: SequenceId, rows: number): void => {
    this.#lengths.set(sequence, (this.#lengths.get(sequence) ?? 0) + rows);
  };

  #idle(): NativeRunner {
    if (this.#native === undefined) throw new ClosedError('The runner');
    if (this.#isStepping) throw new BusyError('The runner');
    return this.#native;
  }
}

function checkLength(length: number, tokens: number, sequence: SequenceId): number {
  if (Number.isInteger(length) && length >= 0 && length <= tokens) return length;
  throw new InvalidArgumentError(`Sequence ${sequence} has ${tokens} tokens; a length of ${length} is outside 0..${tokens}.`);
}

/** @throws UnsupportedError */
function checkMerged(plans: readonly Plan[]): void {
  for (const [index, { loraStrength = 1 }] of plans.entries()) {
    if (loraStrength === 1) continue;
    throw new UnsupportedError(
      `Plan ${index}: loraStrength ${loraStrength} needs low-rank additions beside the weights; here they are merged into them.`,
      "Load with extra.lora 'carry'.",
      { what: 'loraStrength', got: loraStrength },
    );
  }
}
