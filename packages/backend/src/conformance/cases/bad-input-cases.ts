import { createRandomModel } from '@gateskip/model';
import type { StepInput } from '../../contract.js';
import { exactly } from '../compare.js';
import { check, mustThrow } from '../conformance-error.js';
import type { ConformanceCase, ConformanceOptions } from '../options.js';
import { dense, uniformPlan } from '../plans.js';
import { createRandomAdapter } from '../random-adapter.js';
import { someTokens, toInput } from '../scenario.js';
import { type Session, withSession } from '../session.js';
import { INVALID, input, plan, rule, SHAPE, SPOILERS, type Spoiler, UNSUPPORTED } from './spoilers.js';

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
    const given = (scores: unknown) => rule('threshold', 0.5, { scorer: 'given', scores });
    const refused = scorers.includes('given') ? INVALID : UNSUPPORTED;
    await unchangedAfter(session, 'scorer given without scores', refused, given(undefined));
    await unchangedAfter(session, 'given scores of another type', refused, given([0.5]));
    if (scorers.includes('given')) await unchangedAfter(session, 'given scores too few', SHAPE, given(new Float32Array(27)));
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
