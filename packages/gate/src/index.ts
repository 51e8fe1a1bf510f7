export type { Calibration, CalibrationKnot } from './calibration.js';
export type { GateParameters, GatePosition, GateSet, GateSharing, GateSpec, GateVariant } from './gate-set.js';
export type { KvMode, Plan, Rule, Scorer } from './plan.js';
export { densePlan } from './plan.js';
export { randomScore } from './random-score.js';
export type { BranchKind, ModelShape } from './shape.js';
export { branchCount, branchKind, branchLayer } from './shape.js';
export type { RowCosts } from './costs.js';
export { attentionCoreMacs, gateMacs, rowCosts } from './costs.js';
