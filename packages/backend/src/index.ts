export type { LayerMatrix } from '@gateskip/model';
export { ContextOverflowError } from './context-overflow-error.js';
export type {
  Availability,
  BackboneChange,
  Backend,
  BackendRequest,
  BranchTrace,
  Capabilities,
  KvUsage,
  LoadOptions,
  LogitPicks,
  Runner,
  Segment,
  SequenceId,
  StepInput,
  StepResult,
  TopLogits,
} from './contract.js';
export { MacCounter } from './mac-counter.js';
export type { BackendChoice, BackendLoader, BackendRegistry, PassedOver } from './registry.js';
export { createBackendRegistry } from './registry.js';
export type {
  LoraOptions,
  ParameterGroup,
  StraightThroughOptions,
  Trainer,
  TrainerOptions,
  TrainerParameter,
  TrainStepInput,
  TrainStepResult,
} from './trainer.js';
export type { CrossEntropyLoss, GateRegulariser, TeacherLoss, TrainLoss } from './trainer-loss.js';
export type { ParameterDescription } from './trainer-parameters.js';
export {
  drawLoraDown,
  gateParameterPrefix,
  LAYER_MATRICES,
  mergeLora,
  standInMapParameters,
  trainerParameters,
} from './trainer-parameters.js';
export { trainerStartValues } from './trainer-start-values.js';
export type { PreparedTrainStep, TrainerContext } from './trainer-validation.js';
export { DEFAULT_MAX_TRAIN_ROWS, validateTrainerOptions, validateTrainStep } from './trainer-validation.js';
export { validateAdapter } from './validate-adapter.js';
export { backboneRefusals } from './validate-backbone.js';
export { MAX_PICKS } from './validate-picks.js';
export type { PlanContext } from './validate-plan.js';
export { ruleNeedsScores, validatePlan } from './validate-plan.js';
export type { CheckedStep, PreparedStep, RunnerState } from './validate-step.js';
export { checkStep, DEFAULT_MAX_ROWS, MAX_TOP_LOGITS, validateStep } from './validate-step.js';
