export type { Budget, Observation, Policy, PolicyContext, PolicyFactory, SequencePolicy, SequenceStart } from './policy.js';
