import type { GateGradients, GateParameters, GateSpec } from '@gateskip/gate';
import type { ModelConfig } from '@gateskip/model';
import type { Parameter } from './parameter.js';
import type { Projection } from './projection.js';

export interface TrainingLayer {
  readonly attentionNorm: Parameter;
  readonly query: Projection;
  readonly key: Projection;
  readonly value: Projection;
  readonly attentionOutput: Projection;
  readonly mlpNorm: Parameter;
  readonly mlpGate: Projection;
  readonly mlpUp: Projection;
  readonly mlpDown: Projection;
}

export interface TrainingGates {
  readonly spec: GateSpec;
  /** Per branch; shared gates repeat the same objects. Length 2L. */
  readonly parameters: readonly GateParameters[];
  /** Length 2L; absent where gates are frozen. */
  readonly gradients: readonly GateGradients[] | undefined;
  /** Length 2L, [d] each. */
  readonly standIns: readonly Parameter[] | undefined;
  /** Length 2L. */
  readonly standInMaps: readonly { readonly down: Parameter; readonly up: Parameter }[] | undefined;
}

/** A model as the training step sees it. */
export interface TrainingModel {
  readonly config: ModelConfig;
  readonly frequencies: Float64Array;
  /** [vocabulary, d] */
  readonly tokenEmbedding: Parameter;
  readonly layers: readonly TrainingLayer[];
  readonly outputNorm: Parameter;
  /** Over the token embedding where they are tied. */
  readonly output: Projection;
  readonly gates: TrainingGates | undefined;
  readonly detachGateInput: boolean;
  readonly recompute: boolean;
}
