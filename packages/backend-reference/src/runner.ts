import {
  type BackboneChange,
  type Capabilities,
  type KvUsage,
  type Runner,
  type SequenceId,
  type StepInput,
  type StepResult,
  validateStep,
} from '@gateskip/backend';
import { BusyError, ClosedError, InvalidArgumentError } from '@gateskip/errors';
import type { Plan, Scorer } from '@gateskip/gate';
import type { GateAdapter, ModelConfig } from '@gateskip/model';
import { type LoadedModel, runStep } from './run-step.js';
import { Sequence } from './sequence.js';

/** Changes in the model that adapters may bring. */
export const BACKBONE_CHANGES: readonly BackboneChange[] = ['lora', 'norms'];

export class ReferenceRunner implements Runner {
  readonly backend = 'reference';
  readonly config: ModelConfig;
  readonly adapter: GateAdapter | undefined;
  readonly capabilities: Capabilities;
  readonly details = { precision: 'float64', weights: 'float32', threads: 1 };
  readonly #sequences = new Map<SequenceId, Sequence>();
  #model: LoadedModel | undefined;
  #nextSequence = 1;
  #isStepping = false;

  constructor(model: LoadedModel, adapter: GateAdapter | undefined) {
    this.#model = model;
    this.config = model.config;
    this.adapter = adapter;
    const scorers: Scorer[] = adapter === undefined ? ['none', 'random', 'given'] : ['none', 'gate', 'random', 'given'];
    this.capabilities = {
      rules: ['keep', 'threshold', 'fraction', 'quantile', 'repeat'],
      scorers,
      kvModes: ['project', 'absent', 'alias'],
      backboneChanges: BACKBONE_CHANGES,
      canTrain: true,
      batchInvariant: true,
    };
  }

  openSequence(): SequenceId {
    const model = this.#idle();
    return this.#add(new Sequence(model.pool, this.config.layers));
  }

  fork(sequence: SequenceId, length?: number): SequenceId {
    this.#idle();
    const source = this.#get(sequence);
    return this.#add(source.fork(checkLength(length ?? source.length, source, sequence)));
  }

  truncate(sequence: SequenceId, length: number): void {
    this.#idle();
    const target = this.#get(sequence);
    target.truncate(checkLength(length, target, sequence));
  }

  closeSequence(sequence: SequenceId): void {
    this.#idle();
    this.#get(sequence).truncate(0);
    this.#sequences.delete(sequence);
  }

  sequenceLength(sequence: SequenceId): number {
    this.#open();
    return this.#get(sequence).length;
  }

  kvUsage(sequence?: SequenceId): KvUsage {
    const { pool } = this.#open();
    const counted = sequence === undefined ? [...this.#sequences.values()] : [this.#get(sequence)];
    const used = sequence === undefined ? pool.used : counted[0]!.usedRows();
    const tokens = counted.reduce((sum, { length }) => sum + length, 0);
    return { used, dense: tokens * this.config.layers, bytes: used * pool.rowBytes };
  }

  async step(input: StepInput, plans: readonly Plan[], signal?: AbortSignal): Promise<StepResult> {
    const model = this.#idle();
    const prepared = validateStep(input, plans, {
      config: this.config,
      adapter: this.adapter,
      capabilities: this.capabilities,
      lengthOf: (sequence) => this.#sequences.get(sequence)?.length,
    });
    const sequences = input.segments.map(({ sequence }) => this.#get(sequence));
    this.#isStepping = true;
    try {
      return await runStep(model, input, plans, prepared, sequences, signal);
    } finally {
      this.#isStepping = false;
    }
  }

  async close(): Promise<void> {
    if (this.#isStepping) throw new BusyError('The runner');
    this.#sequences.clear();
    this.#model = undefined;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #open(): LoadedModel {
    if (this.#model === undefined) throw new ClosedError('The runner');
    return this.#model;
  }

  #idle(): LoadedModel {
    const model = this.#open();
    if (this.#isStepping) throw new BusyError('The runner');
    return model;
  }

  #get(sequence: SequenceId): Sequence {
    const found = this.#sequences.get(sequence);
    if (found === undefined) throw new InvalidArgumentError(`Sequence ${sequence} is not open.`, '', { got: sequence });
    return found;
  }

  #add(sequence: Sequence): SequenceId {
    const id = this.#nextSequence++;
    this.#sequences.set(id, sequence);
    return id;
  }
}

function checkLength(length: number, sequence: Sequence, id: SequenceId): number {
  if (!Number.isInteger(length) || length < 0 || length > sequence.length) {
    throw new InvalidArgumentError(`Sequence ${id} has ${sequence.length} tokens; a length of ${length} is outside 0..${sequence.length}.`);
  }
  return length;
}
