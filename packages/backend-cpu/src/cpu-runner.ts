import {
  type Capabilities,
  type KvUsage,
  type PreparedStep,
  type Runner,
  type SequenceId,
  type StepInput,
  type StepResult,
  validateStep,
} from '@gateskip/backend';
import { AbortedError, BusyError, ClosedError, InvalidArgumentError } from '@gateskip/errors';
import { branchCount, type Plan } from '@gateskip/gate';
import type { GateAdapter, ModelConfig } from '@gateskip/model';
import type { NativeRunner, NativeStepRequest } from './addon.js';
import { BACKBONE_CHANGES } from './backbone-request.js';
import { PlanEncoder } from './encode-plan.js';
import { typedError } from './native-error.js';

/** Rows that one step may have: bounds the step's buffers (about 60 kB a row on a 135M model). */
const MAX_ROWS = 4096;

/** A model in native memory. Every step runs on threads of its own; the event loop only starts it and takes the result. */
export class CpuRunner implements Runner {
  readonly backend = 'cpu';
  readonly capabilities: Capabilities;
  readonly details: Readonly<Record<string, string | number | boolean>>;
  readonly #encoder = new PlanEncoder();
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
  }

  openSequence(): SequenceId {
    return this.#idle().openSequence();
  }

  fork(sequence: SequenceId, length?: number): SequenceId {
    const native = this.#idle();
    const tokens = this.sequenceLength(sequence);
    return native.fork(sequence, checkLength(length ?? tokens, tokens, sequence));
  }

  truncate(sequence: SequenceId, length: number): void {
    const native = this.#idle();
    native.truncate(sequence, checkLength(length, this.sequenceLength(sequence), sequence));
  }

  closeSequence(sequence: SequenceId): void {
    const native = this.#idle();
    this.sequenceLength(sequence);
    native.closeSequence(sequence);
  }

  sequenceLength(sequence: SequenceId): number {
    const length = this.#lengthOf(this.#idle(), sequence);
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
    const { config, adapter, capabilities } = this;
    const prepared = validateStep(input, plans, {
      config,
      adapter,
      capabilities,
      maxRows: MAX_ROWS,
      lengthOf: (sequence) => this.#lengthOf(native, sequence),
    });
    if (signal?.aborted) throw new AbortedError('The step');
    const request = this.#request(input, plans, prepared);
    this.#listenTo(signal);
    this.#isStepping = true;
    try {
      await native.step(request);
    } catch (error) {
      throw typedError(error);
    } finally {
      this.#isStepping = false;
    }
    return stepResult(request, input);
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

  #request(input: StepInput, plans: readonly Plan[], { rows, topCount }: PreparedStep): NativeStepRequest {
    const { tokens, outputs, segments, want } = input;
    const { hiddenSize, vocabularySize } = this.config;
    const branches = branchCount(this.config);
    const count = outputs.length;
    const segmentNumbers = new Uint32Array(segments.length * 4);
    for (let i = 0; i < segments.length; i++) {
      const { sequence, start, length, plan } = segments[i]!;
      segmentNumbers[4 * i] = sequence;
      segmentNumbers[4 * i + 1] = start;
      segmentNumbers[4 * i + 2] = length;
      segmentNumbers[4 * i + 3] = plan;
    }
    return {
      tokens,
      outputs,
      outputCount: count,
      topCount: topCount ?? 0,
      segments: segmentNumbers,
      segmentCount: segments.length,
      plans: plans.map((plan) => this.#encoder.encode(plan)),
      kept: new Uint32Array(plans.length * branches),
      macs: new Float64Array(plans.length),
      denseMacs: new Float64Array(plans.length),
      ...(topCount === undefined
        ? { logits: new Float32Array(count * vocabularySize) }
        : {
            topTokens: new Int32Array(count * topCount),
            topLogits: new Float32Array(count * topCount),
            logSumExp: new Float32Array(count),
          }),
      scores: want?.scores ? new Float32Array(branches * rows) : undefined,
      keptRows: want?.keptRows ? new Uint8Array(branches * rows) : undefined,
      ...(want?.hidden && {
        hiddenInputs: new Float32Array(branches * rows * hiddenSize),
        hiddenOutputs: new Float32Array(branches * rows * hiddenSize),
        streamNorms: new Float32Array(branches * rows),
      }),
    };
  }

  #lengthOf(native: NativeRunner, sequence: SequenceId): number | undefined {
    if (!Number.isInteger(sequence) || sequence < 0 || sequence > 0xffffffff) return undefined;
    const length = native.sequenceLength(sequence);
    return length < 0 ? undefined : length;
  }

  #idle(): NativeRunner {
    if (this.#native === undefined) throw new ClosedError('The runner');
    if (this.#isStepping) throw new BusyError('The runner');
    return this.#native;
  }
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

function stepResult(request: NativeStepRequest, input: StepInput): StepResult {
  const { kept, macs, denseMacs, logits, topTokens, topLogits, logSumExp, scores, keptRows, hiddenInputs, hiddenOutputs, streamNorms } =
    request;
  const result: Mutable<StepResult> = { kept, macs, denseMacs };
  if (logits) result.logits = logits;
  else result.top = { count: request.topCount, tokens: topTokens!, logits: topLogits!, logSumExp: logSumExp! };
  if (scores) result.scores = scores;
  if (keptRows) result.keptRows = keptRows;
  if (input.want?.hidden) result.hidden = { inputs: hiddenInputs!, outputs: hiddenOutputs!, streamSquaredNorms: streamNorms! };
  return result;
}

function checkLength(length: number, tokens: number, sequence: SequenceId): number {
  if (Number.isInteger(length) && length >= 0 && length <= tokens) return length;
  throw new InvalidArgumentError(`Sequence ${sequence} has ${tokens} tokens; a length of ${length} is outside 0..${tokens}.`);
}
