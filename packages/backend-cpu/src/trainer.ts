import {
  type Capabilities,
  type Trainer,
  type TrainerParameter,
  type TrainStepInput,
  type TrainStepResult,
  validateTrainStep,
} from '@gateskip/backend';
import { AbortedError, BusyError, ClosedError } from '@gateskip/errors';
import type { GateSet } from '@gateskip/gate';
import type { ModelConfig } from '@gateskip/model';
import type { NativeTrainer } from './addon.js';
import { PlanEncoder } from './encode-plan.js';
import { typedError } from './native-error.js';
import { checkStepMemory } from './trainer-memory.js';
import { trainerResult } from './trainer-result.js';
import { trainerStepRequest } from './trainer-step-request.js';

export interface CpuTrainerParts {
  readonly native: NativeTrainer;
  readonly config: ModelConfig;
  readonly gates: GateSet | undefined;
  readonly parameters: readonly TrainerParameter[];
  readonly maxRows: number;
  readonly detachGateInput: boolean;
  readonly recompute: boolean;
}

/** Trains in native memory, in float32. Every step runs on threads of its own; the event loop only starts it. */
export class CpuTrainer implements Trainer {
  readonly backend = 'cpu';
  readonly config: ModelConfig;
  readonly capabilities: Pick<Capabilities, 'rules' | 'scorers' | 'kvModes'>;
  readonly details: Readonly<Record<string, string | number | boolean>>;
  readonly gates: GateSet | undefined;
  readonly parameters: readonly TrainerParameter[];
  readonly #encoder = new PlanEncoder();
  readonly #maxRows: number;
  readonly #detachGateInput: boolean;
  readonly #recompute: boolean;
  #native: NativeTrainer | undefined;
  #isStepping = false;
  /** Rows that the buffers have room for. */
  #rowsHeld = 0;

  constructor({ native, config, gates, parameters, maxRows, detachGateInput, recompute }: CpuTrainerParts) {
    this.#native = native;
    this.config = config;
    this.gates = gates;
    this.parameters = parameters;
    this.#maxRows = maxRows;
    this.#detachGateInput = detachGateInput;
    this.#recompute = recompute;
    this.details = { ...native.details(), weights: 'float32', gradients: 'float32', recompute };
    this.capabilities = {
      rules: ['keep', 'threshold', 'fraction', 'quantile', 'repeat'],
      scorers: gates === undefined ? ['none', 'random', 'given'] : ['none', 'gate', 'random', 'given'],
      kvModes: ['project', 'absent', 'alias'],
    };
  }

  async step(input: TrainStepInput, signal?: AbortSignal): Promise<TrainStepResult> {
    return this.#run(input, signal, true);
  }

  async evaluate(input: TrainStepInput, signal?: AbortSignal): Promise<TrainStepResult> {
    return this.#run(input, signal, false);
  }

  zeroGradients(): void {
    this.#idle();
    this.#clear();
  }

  async close(): Promise<void> {
    if (this.#native === undefined) return;
    this.#idle().close();
    this.#native = undefined;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #run(input: TrainStepInput, signal: AbortSignal | undefined, withGradients: boolean): Promise<TrainStepResult> {
    const native = this.#idle();
    const { config, capabilities, gates } = this;
    const detachGateInput = this.#detachGateInput;
    const trainsGates = this.parameters.some(({ group }) => group === 'gates');
    const context = { config, gates, detachGateInput, trainsGates, capabilities, maxRows: this.#maxRows };
    const prepared = validateTrainStep(input, context, withGradients);
    this.#isStepping = true;
    const cancel = () => native.cancel();
    try {
      if (signal?.aborted) throw new AbortedError('The step');
      if (prepared.rows > this.#rowsHeld) checkStepMemory(config, prepared.rows - this.#rowsHeld, this.#recompute);
      const request = trainerStepRequest(input, prepared, config, this.#encoder, withGradients);
      const pending = native.step(request);
      signal?.addEventListener('abort', cancel, { once: true });
      await pending;
      this.#rowsHeld = Math.max(this.#rowsHeld, prepared.rows);
      return trainerResult(request, input, prepared, config, gates);
    } catch (error) {
      if (withGradients) this.#clear();
      throw typedError(error);
    } finally {
      this.#isStepping = false;
      signal?.removeEventListener('abort', cancel);
    }
  }

  #clear(): void {
    for (const { gradient } of this.parameters) gradient.fill(0);
  }

  #idle(): NativeTrainer {
    if (this.#native === undefined) throw new ClosedError('The trainer');
    if (this.#isStepping) throw new BusyError('The trainer');
    return this.#native;
  }
}
