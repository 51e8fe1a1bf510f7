import type { GateskipError } from '@gateskip/errors';
import type { Backend } from '../contract.js';
import type { Trainer, TrainerOptions, TrainStepInput, TrainStepResult } from '../trainer.js';
import { trainerParameters } from '../trainer-parameters.js';
import { exactly } from './compare.js';
import { check } from './conformance-error.js';
import type { ConformanceCase } from './options.js';
import { enliven, TRAINER_SCENARIOS, type TrainerScenario, trainerInput, trainerModel, trainerOptions } from './trainer-scenarios.js';

/** How far a trainer may be from the oracle. */
export interface TrainerTolerance {
  /** Relative, of the loss and its parts. */
  readonly loss: number;
  /** L2 distance of one parameter's gradient, against its own norm and a hundredth of that of its whole group; of what rows are worth, likewise. */
  readonly gradient: number;
}

/** Enough for float32 arithmetic forward and backward: what a step's logits may be off by, and as much again on the way back. */
export const FLOAT32_TRAINER_TOLERANCE: TrainerTolerance = { loss: 2e-5, gradient: 4e-5 };

export interface TrainerConformanceOptions {
  /** The backend under test. */
  readonly backend: Backend;
  /** What is right: the reference backend. */
  readonly oracle: Backend;
  /** Default: {@link FLOAT32_TRAINER_TOLERANCE}. */
  readonly tolerance?: TrainerTolerance;
  readonly load?: Pick<TrainerOptions, 'threads' | 'extra'>;
}

/** Every check that a backend which trains must pass; wire it like `conformanceCases`. */
export function trainerConformanceCases(options: TrainerConformanceOptions): ConformanceCase[] {
  return [
    ...TRAINER_SCENARIOS.map((scenario) => ({ name: `training: ${scenario.name}`, run: () => compareScenario(options, scenario) })),
    ...[6, 9].map((index) => ({
      name: `training again gives the same bits: ${TRAINER_SCENARIOS[index]!.name}`,
      run: () => repeatScenario(options, TRAINER_SCENARIOS[index]!),
    })),
    { name: 'training: what rows are worth is what scaling a branch does', run: () => gainsAddUp(options) },
    { name: 'training: refusals leave gradients as they were', run: () => refuse(options) },
    { name: 'training: one call at a time, aborts and close', run: () => lifecycle(options) },
  ];
}

type Opened = { readonly trainer: Trainer; readonly input: TrainStepInput } | string;

/** A trainer of the backend under test and the scenario's step; or why the backend declares not to do this. */
async function open(options: TrainerConformanceOptions, scenario: TrainerScenario, change: Partial<TrainerOptions> = {}): Promise<Opened> {
  const { backend, oracle, load } = options;
  if (backend.loadTrainer === undefined) return 'It cannot train.';
  const model = trainerModel(scenario);
  const wanted = { ...trainerOptions(scenario, model), ...change };
  const reasons = await backend.explain({ config: model.config, trainer: wanted, ...(scenario.kv && { kv: scenario.kv }) });
  if (reasons.length > 0) return reasons.join(' ');
  const right = await oracle.loadTrainer!(model, wanted);
  enliven(right);
  const input = await trainerInput(scenario, right);
  await right.close();
  const trainer = await backend.loadTrainer(model, { ...wanted, ...load });
  enliven(trainer);
  return { trainer, input };
}

async function compareScenario(options: TrainerConformanceOptions, scenario: TrainerScenario): Promise<string | undefined> {
  const opened = await open(options, scenario);
  if (typeof opened === 'string') return opened;
  const { trainer, input } = opened;
  const model = trainerModel(scenario);
  const wanted = trainerOptions(scenario, model);
  const right = await options.oracle.loadTrainer!(model, wanted);
  enliven(right);
  const described = trainerParameters(model.config, wanted);
  const listed = trainer.parameters.map(({ name, group, shape }) => ({ name, group, shape }));
  check(JSON.stringify(listed) === JSON.stringify(described), () => 'parameters are not those of trainerParameters, in their order.');
  const want = { keptRows: true };
  const wantOfStep = { ...want, gains: input.straightThrough !== undefined && scenario.trainable.includes('gates') };
  const [expected, got] = [await right.step({ ...input, want: wantOfStep }), await trainer.step({ ...input, want: wantOfStep })];
  compareResult(expected, got, options);
  compareGradients(right, trainer, 1, options);
  compareGains(expected, got, options);
  // A second step adds to the first.
  await trainer.step({ ...input, want });
  compareGradients(right, trainer, 2, options);
  const moved = trainer.parameters[0]!.value;
  for (let i = 0; i < moved.length; i++) moved[i]! *= 1.5;
  right.parameters[0]!.value.set(moved);
  compareResult(await right.evaluate({ ...input, want }), await trainer.evaluate({ ...input, want }), options);
  compareGradients(right, trainer, 2, options);
  trainer.zeroGradients();
  compareGradients(right, trainer, 0, options);
  await Promise.all([right.close(), trainer.close()]);
  return undefined;
}

function compareResult(expected: TrainStepResult, got: TrainStepResult, options: TrainerConformanceOptions): void {
  const { loss: allowed } = options.tolerance ?? FLOAT32_TRAINER_TOLERANCE;
  exactly('keptRows', expected.keptRows, got.keptRows);
  exactly('kept', expected.kept, got.kept);
  for (const name of ['macs', 'denseMacs', 'lossRows'] as const)
    check(expected[name] === got[name], () => `${name} should be ${expected[name]}, got ${got[name]}.`);
  check(Math.abs(expected.skipShare - got.skipShare) < 1e-9, () => `skipShare should be ${expected.skipShare}, got ${got.skipShare}.`);
  const numbers = { loss: expected.loss, ...expected.parts };
  const found: Record<string, number> = { loss: got.loss, ...got.parts };
  for (const [name, value] of Object.entries(numbers)) {
    const distance = Math.abs(found[name]! - value) / Math.abs(value);
    check(distance <= allowed, () => `${name} should be ${value}, got ${found[name]} (allowed ${allowed}).`);
  }
}

/** What rows are worth to each branch, as one vector a branch. */
function compareGains({ gains: expected, kept }: TrainStepResult, { gains }: TrainStepResult, options: TrainerConformanceOptions): void {
  const { gradient: allowed } = options.tolerance ?? FLOAT32_TRAINER_TOLERANCE;
  check(expected?.length === gains?.length, () => `gains should be ${expected?.length} numbers, got ${gains?.length}.`);
  if (expected === undefined || gains === undefined) return;
  const rows = expected.length / kept.length;
  const norms = Array.from(kept, (_, branch) => Math.hypot(...expected.subarray(branch * rows, (branch + 1) * rows)));
  const least = 0.01 * Math.max(...norms.filter((norm) => norm > 0), 0);
  for (const [branch, norm] of norms.entries()) {
    let squaredDistance = 0;
    for (let i = branch * rows; i < (branch + 1) * rows; i++) {
      check(Number.isNaN(expected[i]!) === Number.isNaN(gains[i]!), () => `gains[${i}] should be ${expected[i]}, is ${gains[i]}.`);
      if (!Number.isNaN(gains[i]!)) squaredDistance += (expected[i]! - gains[i]!) ** 2;
    }
    const distance = Math.sqrt(squaredDistance);
    check(
      Number.isNaN(norm) || distance <= allowed * (norm + least),
      () => `gains of branch ${branch} are off by ${distance} of ${norm} (allowed ${allowed} of it).`,
    );
  }
}

/** Where nothing skips and nothing stands in, all rows of a branch together are worth what scaling its last matrix does to the loss. */
async function gainsAddUp(options: TrainerConformanceOptions): Promise<string | undefined> {
  // However exact the trainer, what rows are worth comes as float32.
  const allowed = Math.max((options.tolerance ?? FLOAT32_TRAINER_TOLERANCE).gradient, FLOAT32_TRAINER_TOLERANCE.gradient);
  const scenario: TrainerScenario = {
    name: 'gains',
    trainable: ['gates', 'backbone'],
    rule: 'threshold',
    temperature: 0.1,
    loss: 'both',
  };
  const opened = await open(options, scenario);
  if (typeof opened === 'string') return opened;
  const { trainer, input } = opened;
  const { pinned, ...plan } = input.plan;
  const keepsAll = {
    ...plan,
    rules: plan.rules.map(() => 'threshold' as const),
    values: new Float32Array(plan.rules.length),
    standIns: false,
  };
  const { gains } = await trainer.step({ ...input, plan: keepsAll, want: { gains: true } });
  const rows = input.tokens.length;
  for (let branch = 0; branch < plan.rules.length; branch++) {
    const name = `layers.${branch >> 1}.${branch % 2 === 0 ? 'attentionOutput' : 'mlpDown'}`;
    const { value, gradient } = trainer.parameters.find((parameter) => parameter.name === name)!;
    const expected = value.reduce((sum, weight, i) => sum + weight * gradient[i]!, 0);
    const got = gains!.subarray(branch * rows, (branch + 1) * rows).reduce((sum, gain) => sum + gain, 0);
    const size = gains!.subarray(branch * rows, (branch + 1) * rows).reduce((sum, gain) => sum + Math.abs(gain), 0);
    check(
      size > 0 && Math.abs(got - expected) <= allowed * size,
      () => `gains of branch ${branch} add up to ${got}, should to ${expected} (allowed ${allowed} of ${size}).`,
    );
  }
  await trainer.close();
  return undefined;
}

/** Gradients against `times` those of the oracle. */
function compareGradients(right: Trainer, trainer: Trainer, times: number, options: TrainerConformanceOptions): void {
  const { gradient: allowed } = options.tolerance ?? FLOAT32_TRAINER_TOLERANCE;
  const groups = new Map<string, number>();
  const squares = (values: ArrayLike<number>) => Array.from(values).reduce((sum, value) => sum + (times * value) ** 2, 0);
  for (const { group, gradient } of right.parameters) groups.set(group, (groups.get(group) ?? 0) + squares(gradient));
  for (const [i, { name, group, gradient }] of right.parameters.entries()) {
    const got = trainer.parameters[i]!.gradient;
    let squaredDistance = 0;
    for (let j = 0; j < gradient.length; j++) squaredDistance += (times * gradient[j]! - got[j]!) ** 2;
    const norm = Math.sqrt(squares(gradient)) + 0.01 * Math.sqrt(groups.get(group)!);
    const distance = Math.sqrt(squaredDistance);
    check(
      distance <= allowed * norm,
      () => `gradient of ${name} after ${times} steps is off by ${distance} of ${norm} (allowed ${allowed} of it).`,
    );
  }
}

async function repeatScenario(options: TrainerConformanceOptions, scenario: TrainerScenario): Promise<string | undefined> {
  const runs: { readonly loss: number; readonly gradients: readonly { readonly name: string; readonly gradient: Float64Array }[] }[] = [];
  for (const recompute of [false, false, true]) {
    const opened = await open(options, scenario, { recompute });
    if (typeof opened === 'string') return opened;
    const { trainer, input } = opened;
    const { loss } = await trainer.step(input);
    runs.push({ loss, gradients: trainer.parameters.map(({ name, gradient }) => ({ name, gradient: Float64Array.from(gradient) })) });
    await trainer.close();
  }
  for (const { loss, gradients } of runs.slice(1)) {
    check(Object.is(loss, runs[0]!.loss), () => `loss was ${runs[0]!.loss}, is ${loss}.`);
    for (const [i, { name, gradient }] of gradients.entries()) exactly(`gradient of ${name}`, runs[0]!.gradients[i]!.gradient, gradient);
  }
  return undefined;
}

async function refuse(options: TrainerConformanceOptions): Promise<string | undefined> {
  const opened = await open(options, TRAINER_SCENARIOS[4]!);
  if (typeof opened === 'string') return opened;
  const { trainer, input } = opened;
  const rows = input.tokens.length;
  await trainer.step(input);
  const before = trainer.parameters.map(({ gradient }) => Float64Array.from(gradient));
  const repeated = input.plan.rules.map(() => 'repeat' as const);
  const bad: readonly (readonly [string, Partial<TrainStepInput>, string])[] = [
    [
      'a token outside the vocabulary',
      { tokens: input.tokens.map((token, row) => (row === 3 ? trainer.config.vocabularySize : token)) },
      'GS_INVALID_ARGUMENT',
    ],
    ['more rows than maxRows', { tokens: new Int32Array(rows + 1) }, 'GS_INVALID_ARGUMENT'],
    ['segments that leave rows', { segmentLengths: Int32Array.of(rows - 1) }, 'GS_SHAPE_MISMATCH'],
    [
      'a repeated branch',
      { plan: { ...input.plan, rules: repeated, values: new Float32Array(repeated.length).fill(2) } },
      'GS_UNSUPPORTED',
    ],
    ['no loss', { loss: {} }, 'GS_INVALID_ARGUMENT'],
    ['a temperature of 0', { straightThrough: { temperature: 0 } }, 'GS_INVALID_ARGUMENT'],
    [
      'savings that are no numbers',
      { straightThrough: { savings: repeated.map(() => Number.NaN) as unknown as Float64Array } },
      'GS_INVALID_ARGUMENT',
    ],
    ['rows that no word names', { straightThrough: { taught: 'kept' as 'all' } }, 'GS_INVALID_ARGUMENT'],
    ['savings of too few branches', { straightThrough: { savings: new Float64Array(1) } }, 'GS_SHAPE_MISMATCH'],
  ];
  for (const [what, change, code] of bad) {
    await refused(what, trainer.step({ ...input, ...change }), code);
    for (const [i, { name, gradient }] of trainer.parameters.entries())
      exactly(`gradient of ${name} after ${what}`, before[i]!, Float64Array.from(gradient));
  }
  const { straightThrough, ...untaught } = input;
  await refused('gains of scores that are not taught', trainer.step({ ...untaught, want: { gains: true } }), 'GS_INVALID_ARGUMENT');
  await refused('gains without a backward pass', trainer.evaluate({ ...input, want: { gains: true } }), 'GS_INVALID_ARGUMENT');
  await trainer.close();
  return undefined;
}

async function lifecycle(options: TrainerConformanceOptions): Promise<string | undefined> {
  const opened = await open(options, TRAINER_SCENARIOS[4]!);
  if (typeof opened === 'string') return opened;
  const { trainer, input } = opened;
  const running = trainer.step(input);
  await refused('a second call', trainer.evaluate(input), 'GS_BUSY');
  const { loss } = await running;
  await refused('an aborted call', trainer.step(input, AbortSignal.abort()), 'GS_ABORTED');
  trainer.zeroGradients();
  const again = await trainer.step(input);
  check(Object.is(again.loss, loss), () => `loss was ${loss}, is ${again.loss} after an abort.`);
  await trainer.close();
  await refused('a call after close', trainer.step(input), 'GS_CLOSED');
  return undefined;
}

async function refused(what: string, call: Promise<unknown>, code: string): Promise<void> {
  const got = await call.then(
    () => 'accepted',
    (error: GateskipError) => error.code,
  );
  check(got === code, () => `${what}: expected ${code}, got ${got}.`);
}
