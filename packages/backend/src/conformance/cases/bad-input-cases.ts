import type { Plan } from '@gateskip/gate';
import { createRandomModel } from '@gateskip/model';
import type { SequenceId, StepInput } from '../../contract.js';
import { exactly } from '../compare.js';
import { check, mustThrow } from '../conformance-error.js';
import type { ConformanceCase, ConformanceOptions } from '../options.js';
import { dense, uniformPlan } from '../plans.js';
import { createRandomAdapter } from '../random-adapter.js';
import { someTokens, toInput } from '../scenario.js';
import { type Session, withSession } from '../session.js';

interface Step {
  readonly input: StepInput;
  readonly plans: readonly Plan[];
}

/** A good step of 4 rows of sequence a and 3 of b, and what makes it bad. */
type Spoiler = readonly [name: string, code: string, spoil: (step: Step, ids: readonly SequenceId[]) => Step];

const input = (change: (good: StepInput, ids: readonly SequenceId[]) => object) => (step: Step, ids: readonly SequenceId[]) => ({
  ...step,
  input: { ...step.input, ...change(step.input, ids) } as StepInput,
});
const segment = (index: number, change: (ids: readonly SequenceId[]) => object) =>
  input((good, ids) => ({ segments: good.segments.map((own, i) => (i === index ? { ...own, ...change(ids) } : own)) }));
const plan = (change: (good: Plan) => object) => (step: Step) => ({
  ...step,
  plans: step.plans.map((own) => ({ ...own, ...change(own) }) as Plan),
});
const rule = (name: string, value: number, more: object = { scorer: 'random' }) =>
  plan((good) => ({ rules: good.rules.map(() => name), values: good.values.map(() => value), ...more }));

const INVALID = 'GS_INVALID_ARGUMENT';
const SHAPE = 'GS_SHAPE_MISMATCH';
const UNSUPPORTED = 'GS_UNSUPPORTED';

const SPOILERS: readonly Spoiler[] = [
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
  ['a rule too few', SHAPE, plan((good) => ({ rules: good.rules.slice(1) }))],
  ['a value too few', SHAPE, plan((good) => ({ values: good.values.slice(1) }))],
  ['values of another type', INVALID, plan((good) => ({ values: [...good.values] }))],
  ['pins too few', SHAPE, plan(() => ({ pinned: new Uint8Array(6) }))],
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

/** Everything that must be refused, and that nothing has changed after it. */
export function badInputCases(options: ConformanceOptions): ConformanceCase[] {
  return [
    ...SPOILERS.map((spoiler) => ({ name: `bad input: ${spoiler[0]}`, run: () => spoiledCase(options, spoiler) })),
    {
      name: 'bad input: scorer gate without an adapter',
      run: () => spoiledCase(options, ['scorer gate', UNSUPPORTED, rule('threshold', 0.5, { scorer: 'gate' })]),
    },
    { name: 'bad input: a step past the context', run: () => contextCase(options) },
    { name: 'bad input: lengths and sequences of fork, truncate and close', run: () => sequenceCallsCase(options) },
    { name: 'bad input: gates after the branch cannot skip', run: () => afterCase(options) },
    { name: 'bad input: an adapter for another model', run: () => adapterCase(options) },
    { name: 'bad input: an unknown load option', run: () => loadOptionCase(options) },
    { name: 'capabilities: what is not declared is refused, what must be is declared', run: () => capabilityCase(options) },
  ];
}

async function spoiledCase(options: ConformanceOptions, [name, code, spoil]: Spoiler): Promise<string | undefined> {
  const model = createRandomModel({ seed: 71, config: { layers: 2 } });
  return withSession(options, model, undefined, (session) => unchangedAfter(session, name, code, spoil));
}

/** A bad step between two good ones must leave the second as if it had not been tried. */
async function unchangedAfter({ tested, model }: Session, name: string, code: string, spoil: Spoiler[2]): Promise<void> {
  const plans = [dense(model.config)];
  const prompt = someTokens(14, model.config.vocabularySize);
  const first = [
    { sequence: 0, tokens: prompt.slice(0, 4) },
    { sequence: 1, tokens: prompt.slice(4, 7) },
  ];
  const second = [
    { sequence: 0, tokens: prompt.slice(7, 11) },
    { sequence: 1, tokens: prompt.slice(11) },
  ];
  const logits: Float32Array[] = [];
  for (const isSpoiled of [false, true]) {
    const ids = [tested.openSequence(), tested.openSequence(), tested.openSequence()];
    tested.closeSequence(ids[2]!);
    await tested.step(toInput(first, ids), plans);
    const good = { input: toInput(second, ids), plans };
    if (isSpoiled) {
      const before = JSON.stringify([tested.kvUsage(), ids.slice(0, 2).map((id) => tested.sequenceLength(id))]);
      const bad = spoil(good, ids);
      await mustThrow(name, code, () => tested.step(bad.input, bad.plans));
      const after = JSON.stringify([tested.kvUsage(), ids.slice(0, 2).map((id) => tested.sequenceLength(id))]);
      check(before === after, () => `${name}: usage and lengths changed from ${before} to ${after}.`);
    }
    logits.push((await tested.step(good.input, plans)).logits!);
    for (const id of ids.slice(0, 2)) tested.closeSequence(id);
  }
  exactly(`logits after ${name}`, logits[0], logits[1]);
}

async function contextCase(options: ConformanceOptions): Promise<string | undefined> {
  const model = createRandomModel({ seed: 72, config: { layers: 1, contextLength: 9 } });
  return withSession(options, model, undefined, (session) => {
    // Sequence 0 has 4 tokens before the step and 4 in it: 5 more fit, 6 do not.
    const longer = (good: StepInput) => ({
      tokens: Int32Array.of(...good.tokens.subarray(0, 4), 1, 2, ...good.tokens.subarray(4)),
      outputs: new Int32Array(0),
    });
    const spoil = input((good) => ({
      ...longer(good),
      segments: [
        { ...good.segments[0]!, length: 6 },
        { ...good.segments[1]!, start: 6 },
      ],
    }));
    return unchangedAfter(session, 'a step past the context', 'GS_CONTEXT_OVERFLOW', spoil);
  });
}

async function sequenceCallsCase(options: ConformanceOptions): Promise<string | undefined> {
  const model = createRandomModel({ seed: 73, config: { layers: 1 } });
  return withSession(options, model, undefined, async ({ tested }) => {
    const id = tested.openSequence();
    await tested.step(toInput([{ sequence: 0, tokens: [1, 2, 3] }], [id]), [dense(model.config)]);
    for (const length of [-1, 4, 1.5, Number.NaN]) {
      await mustThrow(`truncate to ${length} of 3`, INVALID, () => tested.truncate(id, length));
      await mustThrow(`fork ${length} of 3`, INVALID, () => tested.fork(id, length));
    }
    for (const unknown of [123456, -1, 0.5]) {
      await mustThrow(`fork of ${unknown}`, INVALID, () => tested.fork(unknown));
      await mustThrow(`truncate of ${unknown}`, INVALID, () => tested.truncate(unknown, 0));
      await mustThrow(`close of ${unknown}`, INVALID, () => tested.closeSequence(unknown));
      await mustThrow(`length of ${unknown}`, INVALID, () => tested.sequenceLength(unknown));
      await mustThrow(`usage of ${unknown}`, INVALID, () => tested.kvUsage(unknown));
    }
    check(
      tested.sequenceLength(id) === 3 && tested.kvUsage().used === 3,
      () => `after refused calls the sequence has ${tested.sequenceLength(id)} tokens.`,
    );
    tested.closeSequence(id);
    await mustThrow('closing twice', INVALID, () => tested.closeSequence(id));
  });
}

async function afterCase(options: ConformanceOptions): Promise<string | undefined> {
  const model = createRandomModel({ seed: 74, config: { layers: 2 } });
  const adapter = createRandomAdapter(model, { seed: 1, spec: { position: 'after', multiplies: true } });
  return withSession(options, model, adapter, (session) =>
    unchangedAfter(session, 'gates after the branch', UNSUPPORTED, rule('threshold', 0.5, { scorer: 'gate' })),
  );
}

async function adapterCase(options: ConformanceOptions): Promise<string | undefined> {
  const model = createRandomModel({ seed: 75 });
  for (const [name, config] of Object.entries({ 'more layers': { layers: 4 }, 'another width': { hiddenSize: 96 } })) {
    const adapter = createRandomAdapter(createRandomModel({ seed: 1, config }), { seed: 1 });
    await mustThrow(`an adapter with ${name}`, SHAPE, () => options.backend.load(model, { ...options.load, adapter }));
  }
  const cut = createRandomAdapter(model, { seed: 1, standIns: true });
  const standIns = cut.gates.standIns!.map((vector) => vector.slice(1));
  await mustThrow('stand-ins that are too short', SHAPE, () =>
    options.backend.load(model, { ...options.load, adapter: { ...cut, gates: { ...cut.gates, standIns } } }),
  );
  const gates = cut.gates.gates.map((gate) => ({ ...gate, weight: gate.weight.slice(1) }));
  await mustThrow('gates that are too short', SHAPE, () =>
    options.backend.load(model, { ...options.load, adapter: { ...cut, gates: { ...cut.gates, gates } } }),
  );
  return undefined;
}

async function loadOptionCase(options: ConformanceOptions): Promise<string | undefined> {
  const model = createRandomModel({ seed: 76, config: { layers: 1 } });
  const load = (more: object) => options.backend.load(model, { ...options.load, ...more });
  await mustThrow('an unknown extra option', INVALID, () => load({ extra: { ...options.load?.extra, noSuchOption: 1 } }));
  for (const maxTokens of [0, -1, 1.5, Number.NaN]) await mustThrow(`maxTokens ${maxTokens}`, INVALID, () => load({ maxTokens }));
  return undefined;
}

async function capabilityCase(options: ConformanceOptions): Promise<string | undefined> {
  const model = createRandomModel({ seed: 77, config: { layers: 2 } });
  const adapter = createRandomAdapter(model, { seed: 1 });
  return withSession(options, model, adapter, async (session) => {
    const { rules, scorers, kvModes } = session.tested.capabilities;
    for (const needed of ['keep', 'threshold', 'fraction', 'repeat'] as const)
      check(rules.includes(needed), () => `rule ${needed} is not declared.`);
    for (const needed of ['none', 'gate'] as const) check(scorers.includes(needed), () => `scorer ${needed} is not declared.`);
    check(kvModes.length > 0, () => 'no kv mode is declared.');
    const scorer = scorers.includes('random') ? 'random' : 'gate';
    for (const name of ['quantile', 'exit'] as const) {
      if (!rules.includes(name)) await unchangedAfter(session, `undeclared rule ${name}`, UNSUPPORTED, rule(name, 0.5, { scorer }));
    }
    for (const kv of ['project', 'absent', 'alias'] as const) {
      if (!kvModes.includes(kv))
        await unchangedAfter(
          session,
          `undeclared kv mode ${kv}`,
          UNSUPPORTED,
          plan(() => ({ kv })),
        );
    }
    check(session.tested.adapter === adapter, () => 'the runner does not name its adapter.');
    check(
      session.tested.backend === options.backend.name,
      () => `the runner calls itself ${session.tested.backend}, its backend ${options.backend.name}.`,
    );
    const { available, reasons } = await options.backend.probe();
    check(available && reasons.length === 0, () => `probe says that the backend cannot run: ${reasons.join('; ')}.`);
    const good = uniformPlan(model.config, 'gate', 'threshold', 0.5, kvModes[0]!);
    await session.tested.step(toInput([{ sequence: 0, tokens: [1, 2] }], [session.tested.openSequence()]), [good]);
  });
}
