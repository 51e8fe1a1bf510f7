import { type Plan, randomScore } from '@gateskip/gate';
import type { KvUsage, Runner, SequenceId, StepInput, StepResult } from '../contract.js';

/** Rows that one sequence sends in one step. */
export interface Part {
  /** Number of the sequence within the scenario. */
  readonly sequence: number;
  readonly tokens: readonly number[];
  /** Index into the scenario's plans; default 0. */
  readonly plan?: number;
}

/** Steps over some sequences, to be played on the oracle and on the backend under test alike. */
export interface Scenario {
  readonly steps: readonly (readonly Part[])[];
  /** `pinned` is filled from `pinnedTokens`, `scores` of scorer `given` from {@link givenScore}. */
  readonly plans: readonly Plan[];
  /** First tokens of every sequence that must not skip; default 0. */
  readonly pinnedTokens?: number;
  readonly topLogits?: number;
  /** Default: scores and kept rows. */
  readonly want?: StepInput['want'];
}

export interface PlayedStep {
  readonly input: StepInput;
  readonly plans: readonly Plan[];
  readonly result: StepResult;
  /** After the step: the whole pool, then each sequence. */
  readonly usage: readonly KvUsage[];
}

/** Plays a scenario on sequences of its own and closes them. Outputs: all rows. */
export async function play(runner: Runner, scenario: Scenario): Promise<PlayedStep[]> {
  const count = 1 + Math.max(...scenario.steps.flat().map(({ sequence }) => sequence));
  const ids = Array.from({ length: count }, () => runner.openSequence());
  const played: PlayedStep[] = [];
  for (const parts of scenario.steps) {
    const input = toInput(parts, ids, scenario);
    const plans = scenario.plans.map((plan) => withScores(withPins(plan, input, runner, scenario.pinnedTokens ?? 0), input, runner));
    const result = await runner.step(input, plans);
    played.push({ input, plans, result, usage: [runner.kvUsage(), ...ids.map((id) => runner.kvUsage(id))] });
  }
  for (const id of ids) runner.closeSequence(id);
  return played;
}

export function toInput(parts: readonly Part[], ids: readonly SequenceId[], options: Pick<Scenario, 'topLogits' | 'want'> = {}): StepInput {
  const tokens = Int32Array.from(parts.flatMap((part) => [...part.tokens]));
  let start = 0;
  const segments = parts.map(({ sequence, tokens: own, plan }) => {
    const segment = { sequence: ids[sequence]!, start, length: own.length, plan: plan ?? 0 };
    start += own.length;
    return segment;
  });
  return {
    tokens,
    segments,
    outputs: Int32Array.from(tokens, (_, row) => row),
    ...(options.topLogits !== undefined && { topLogits: options.topLogits }),
    want: options.want ?? { scores: true, keptRows: true },
  };
}

function withPins(plan: Plan, input: StepInput, runner: Runner, pinnedTokens: number): Plan {
  if (pinnedTokens === 0) return plan;
  const pinned = new Uint8Array(input.tokens.length);
  for (const { sequence, start, length } of input.segments) {
    const before = runner.sequenceLength(sequence);
    for (let i = 0; i < length; i++) pinned[start + i] = before + i < pinnedTokens ? 1 : 0;
  }
  return { ...plan, pinned };
}

/** What scorer `given` is given: sixteenths, so that there are ties. */
const givenScore = (position: number, branch: number): number => Math.ceil(16 * randomScore(91, position, branch)) / 16;

function withScores(plan: Plan, input: StepInput, runner: Runner): Plan {
  if (plan.scorer !== 'given') return plan;
  const rows = input.tokens.length;
  const scores = new Float32Array(plan.rules.length * rows);
  for (const { sequence, start, length } of input.segments) {
    const before = runner.sequenceLength(sequence);
    for (let branch = 0; branch < plan.rules.length; branch++) {
      for (let i = 0; i < length; i++) scores[branch * rows + start + i] = givenScore(before + i, branch);
    }
  }
  return { ...plan, scores };
}

/** Token ids that look random and are the same everywhere. */
export function someTokens(count: number, vocabularySize: number, salt = 0): number[] {
  return Array.from({ length: count }, (_, i) => Math.imul(i + 1 + 131 * salt, 2654435761) >>> 8).map((hash) => hash % vocabularySize);
}
