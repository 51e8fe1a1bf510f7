import type { Plan } from '@gateskip/gate';
import type { SequenceId, StepInput } from '../../contract.js';

export interface Step {
  readonly input: StepInput;
  readonly plans: readonly Plan[];
}

/** A good step of 4 rows of sequence a and 3 of b, and what makes it bad. */
export type Spoiler = readonly [name: string, code: string, spoil: (step: Step, ids: readonly SequenceId[]) => Step];

export const input = (change: (good: StepInput, ids: readonly SequenceId[]) => object) => (step: Step, ids: readonly SequenceId[]) => ({
  ...step,
  input: { ...step.input, ...change(step.input, ids) } as StepInput,
});
export const segment = (index: number, change: (ids: readonly SequenceId[]) => object) =>
  input((good, ids) => ({ segments: good.segments.map((own, i) => (i === index ? { ...own, ...change(ids) } : own)) }));
export const plan = (change: (good: Plan) => object) => (step: Step) => ({
  ...step,
  plans: step.plans.map((own) => ({ ...own, ...change(own) }) as Plan),
});
const picks = (outputs: number[], tokens: number[], change: (own: Int32Array) => unknown = (own) => own) =>
  input(() => ({ picks: { outputs: change(Int32Array.from(outputs)), tokens: change(Int32Array.from(tokens)) } }));
export const rule = (name: string, value: number, more: object = { scorer: 'random' }) =>
  plan((good) => ({ rules: good.rules.map(() => name), values: good.values.map(() => value), ...more }));

export const INVALID = 'GS_INVALID_ARGUMENT';
export const SHAPE = 'GS_SHAPE_MISMATCH';
export const UNSUPPORTED = 'GS_UNSUPPORTED';

export const SPOILERS: readonly Spoiler[] = [
  ['no rows', INVALID, input(() => ({ tokens: new Int32Array(0), segments: [], outputs: new Int32Array(0) }))],
  ['a token below 0', INVALID, input(() => ({ tokens: Int32Array.of(1, 2, -1, 4, 5, 6, 7) }))],
  ['a token past the vocabulary', INVALID, input(() => ({ tokens: Int32Array.of(1, 2, 3, 4, 5, 6, 128) }))],
  ['tokens of another type', INVALID, input(() => ({ tokens: [1, 2, 3, 4, 5, 6, 7] }))],
  ['no segments', INVALID, input(() => ({ segments: [] }))],
  ['a gap between segments', INVALID, segment(1, () => ({ start: 5, length: 2 }))],
  ['segments that overlap', INVALID, segment(1, () => ({ start: 3, length: 4 }))],
  ['rows without a segment', INVALID, segment(1, () => ({ length: 2 }))],
  ['a segment past the rows', INVALID, segment(1, () => ({ length: 4 }))],
  ['an empty segment', INVALID, segment(1, () => ({ length: 0 }))],
  ['a length that is no integer', INVALID, segment(1, () => ({ length: 2.5 }))],
  ['an unknown sequence', INVALID, segment(1, () => ({ sequence: 987654 }))],
  ['a sequence id that is no number', INVALID, segment(1, () => ({ sequence: 'a' }))],
  ['a sequence twice', INVALID, segment(1, (ids) => ({ sequence: ids[0] }))],
  ['a closed sequence', INVALID, segment(1, (ids) => ({ sequence: ids[2] }))],
  ['a plan that is not there', INVALID, segment(1, () => ({ plan: 1 }))],
  ['a negative plan', INVALID, segment(0, () => ({ plan: -1 }))],
  ['no plans', INVALID, (step) => ({ ...step, plans: [] })],
  ['outputs that do not ascend', INVALID, input(() => ({ outputs: Int32Array.of(3, 2) }))],
  ['an output twice', INVALID, input(() => ({ outputs: Int32Array.of(3, 3) }))],
  ['an output past the rows', INVALID, input(() => ({ outputs: Int32Array.of(7) }))],
  ['a negative output', INVALID, input(() => ({ outputs: Int32Array.of(-1) }))],
  ['topLogits 0', INVALID, input(() => ({ topLogits: 0 }))],
  ['topLogits 1025', INVALID, input(() => ({ topLogits: 1025 }))],
  ['topLogits NaN', INVALID, input(() => ({ topLogits: Number.NaN }))],
  ['picks that are no object', INVALID, input(() => ({ picks: null }))],
  ['picks of another type', INVALID, picks([0], [1], (own) => Array.from(own))],
  ['picks with a token too few', SHAPE, picks([0, 1], [1])],
  ['a pick of an output that is not there', INVALID, picks([7], [1])],
  ['a pick of a negative output', INVALID, picks([-1], [1])],
  ['picks that descend', INVALID, picks([1, 0], [1, 1])],
  ['a pick below the vocabulary', INVALID, picks([0], [-1])],
  ['a pick past the vocabulary', INVALID, picks([0], [128])],
  ['a rule too few', SHAPE, plan((good) => ({ rules: good.rules.slice(1) }))],
  ['a value too few', SHAPE, plan((good) => ({ values: good.values.slice(1) }))],
  ['values of another type', INVALID, plan((good) => ({ values: [...good.values] }))],
  ['pins too few', SHAPE, plan(() => ({ pinned: new Uint8Array(6) }))],
  ['a share of low-rank additions above 1', INVALID, plan(() => ({ loraStrength: 1.5 }))],
  ['a share of low-rank additions below 0', INVALID, plan(() => ({ loraStrength: -0.25 }))],
  ['a share of low-rank additions that is NaN', INVALID, plan(() => ({ loraStrength: Number.NaN }))],
  ['an unknown rule', INVALID, rule('sometimes', 0.5)],
  ['threshold NaN', INVALID, rule('threshold', Number.NaN)],
  ['threshold infinite', INVALID, rule('threshold', Number.POSITIVE_INFINITY)],
  ['threshold 1.5', INVALID, rule('threshold', 1.5)],
  ['fraction -0.1', INVALID, rule('fraction', -0.1)],
  ['fraction 1.01', INVALID, rule('fraction', 1.01)],
  ['repeat 3', INVALID, rule('repeat', 3)],
  ['repeat 0.5', INVALID, rule('repeat', 0.5)],
  ['scores needed with scorer none', INVALID, rule('threshold', 0.5, { scorer: 'none' })],
  ['an unknown scorer', UNSUPPORTED, plan(() => ({ scorer: 'oracle' }))],
  ['an unknown kv mode', UNSUPPORTED, plan(() => ({ kv: 'copy' }))],
  ['a seed that is no u32', INVALID, plan(() => ({ scorer: 'random', seed: -1 }))],
];
