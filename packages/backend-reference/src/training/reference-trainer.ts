import {
  type Capabilities,
  type Trainer,
  type TrainerParameter,
  type TrainStepInput,
  type TrainStepResult,
  validateTrainStep,
} from '@gateskip/backend';
import { BusyError, ClosedError } from '@gateskip/errors';
import type { GateSet } from '@gateskip/gate';
import type { ModelConfig } from '@gateskip/model';
import { Pacer } from '../pacer.js';
import { runTrainStep } from './run-train-step.js';
import type { TrainingModel } from './training-model.js';

export class ReferenceTrainer implements Trainer {
  readonly backend = 'reference';
  readonly config: ModelConfig;
  readonly capabilities: Pick<Capabilities, 'rules' | 'scorers' | 'kvModes'>;
  readonly details = { precision: 'float64', weights: 'float32', gradients: 'float64', threads: 1 };
  readonly gates: GateSet | undefined;
  readonly parameters: readonly TrainerParameter[];
  readonly #maxRows: number;
  #model: TrainingModel | undefined;
  #isStepping = false;

  constructor(model: TrainingModel, gates: GateSet | undefined, parameters: readonly TrainerParameter[], maxRows: number) {
    this.#model = model;
    this.config = model.config;
    this.gates = gates;
    this.parameters = parameters;
    this.#maxRows = maxRows;
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
    if (this.#isStepping) throw new BusyError('The trainer');
    this.#model = undefined;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #run(input: TrainStepInput, signal: AbortSignal | undefined, withGradients: boolean): Promise<TrainStepResult> {
    const model = this.#idle();
    const { config, capabilities, gates } = this;
    const { detachGateInput } = model;
    const trainsGates = model.gates?.gradients !== undefined;
    const context = { config, gates, detachGateInput, trainsGates, capabilities, maxRows: this.#maxRows };
    const prepared = validateTrainStep(input, context, withGradients);
    this.#isStepping = true;
    try {
      return await runTrainStep(model, input, prepared, new Pacer(signal), withGradients);
    } catch (error) {
      if (withGradients) this.#clear();
      throw error;
    } finally {
      this.#isStepping = false;
    }
  }

  #clear(): void {
    for (const { gradient } of this.parameters) gradient.fill(0);
  }

  #idle(): TrainingModel {
    if (this.#model === undefined) throw new ClosedError('The trainer');
    if (this.#isStepping) throw new BusyError('The trainer');
    return this.#model;
  }
}
