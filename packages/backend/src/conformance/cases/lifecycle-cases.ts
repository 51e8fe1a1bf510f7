import { createRandomModel } from '@gateskip/model';
import type { Runner, SequenceId } from '../../contract.js';
import { exactly } from '../compare.js';
import { check, mustThrow } from '../conformance-error.js';
import type { ConformanceCase, ConformanceOptions } from '../options.js';
import { dense } from '../plans.js';
import { someTokens, toInput } from '../scenario.js';
import { withSession } from '../session.js';

/** Aborting, being busy, running out of memory, closing. */
export function lifecycleCases(options: ConformanceOptions): ConformanceCase[] {
  return [
    { name: 'lifecycle: an aborted step leaves nothing', run: () => abortCase(options) },
    { name: 'lifecycle: busy during a step', run: () => busyCase(options) },
    { name: 'lifecycle: K/V rows past maxTokens are refused and nothing changes', run: () => memoryCase(options) },
    { name: 'lifecycle: closed is closed', run: () => closeCase(options) },
    { name: 'lifecycle: loading can be aborted and reports progress', run: () => loadCase(options) },
  ];
}

async function abortCase(options: ConformanceOptions): Promise<string | undefined> {
  const model = createRandomModel({ seed: 81, config: { layers: 6 } });
  const plans = [dense(model.config)];
  const tokens = someTokens(200, model.config.vocabularySize);
  return withSession(options, model, undefined, async ({ tested }) => {
    const start = async () => {
      const id = tested.openSequence();
      await tested.step(toInput([{ sequence: 0, tokens: tokens.slice(0, 5) }], [id]), plans);
      return id;
    };
    const goOn = async (id: SequenceId) => (await tested.step(toInput([{ sequence: 0, tokens: tokens.slice(5, 9) }], [id]), plans)).logits!;
    const expected = await goOn(await start());

    const id = await start();
    const before = JSON.stringify(tested.kvUsage());
    const long = toInput([{ sequence: 0, tokens: tokens.slice(5) }], [id], { want: {} });
    const aborted = AbortSignal.abort();
    await mustThrow('a step with an aborted signal', 'GS_ABORTED', () => tested.step(long, plans, aborted));
    check(
      JSON.stringify(tested.kvUsage()) === before,
      () => `an aborted step changed usage from ${before} to ${JSON.stringify(tested.kvUsage())}.`,
    );

    // A fast backend may be done before the signal arrives; then the step counts.
    const controller = new AbortController();
    const running = tested.step(long, plans, controller.signal);
    controller.abort();
    const outcome = await running.then(
      () => 'done',
      (error: { code?: string }) => error.code,
    );
    check(outcome === 'done' || outcome === 'GS_ABORTED', () => `an aborted step ended with ${outcome}.`);
    if (outcome === 'done') tested.truncate(id, 5);
    check(
      JSON.stringify(tested.kvUsage()) === before,
      () => `an aborted step left ${JSON.stringify(tested.kvUsage())} instead of ${before}.`,
    );
    exactly('logits after aborted steps', expected, await goOn(id));
  });
}

async function busyCase(options: ConformanceOptions): Promise<string | undefined> {
  const model = createRandomModel({ seed: 82 });
  const plans = [dense(model.config)];
  return withSession(options, model, undefined, async ({ tested }) => {
    const ids = [tested.openSequence(), tested.openSequence()];
    const input = (sequence: number) => toInput([{ sequence, tokens: someTokens(40, 128) }], ids);
    const running = tested.step(input(0), plans);
    await mustThrow('a second step at once', 'GS_BUSY', () => tested.step(input(1), plans));
    // Whether the step is still running depends on its speed: a new one, without awaiting in between, surely is.
    await running;
    const again = tested.step(input(0), plans);
    const calls: readonly (readonly [string, () => unknown])[] = [
      ['openSequence', () => tested.openSequence()],
      ['fork', () => tested.fork(ids[1]!)],
      ['truncate', () => tested.truncate(ids[1]!, 0)],
      ['closeSequence', () => tested.closeSequence(ids[1]!)],
    ];
    const codes = calls.map(([name, call]) => [name, codeOf(call)] as const);
    await again;
    for (const [name, code] of codes) check(code === 'GS_BUSY', () => `${name} during a step: expected GS_BUSY, got ${code}.`);
    const lengths = ids.map((id) => tested.sequenceLength(id));
    check(lengths[0] === 80 && lengths[1] === 0, () => `after refused calls the lengths are ${lengths.join(' and ')}, expected 80 and 0.`);
    await tested.step(input(1), plans);
  });
}

function codeOf(call: () => unknown): string {
  try {
    call();
    return 'no error';
  } catch (error) {
    return String((error as { code?: unknown }).code ?? error);
  }
}

async function memoryCase(options: ConformanceOptions): Promise<string | undefined> {
  const model = createRandomModel({ seed: 83 });
  const plans = [dense(model.config)];
  const cap = 32;
  const body = async ({ tested }: { tested: Runner }) => {
    const ids = [tested.openSequence(), tested.openSequence()];
    const step = (sequence: number, count: number) =>
      tested.step(toInput([{ sequence, tokens: someTokens(count, 128, sequence) }], ids), plans);
    await step(0, 20);
    await step(1, 10);
    const before = JSON.stringify([tested.kvUsage(), ids.map((id) => tested.sequenceLength(id))]);
    await mustThrow(`3 rows with 30 of ${cap} in use`, 'GS_INSUFFICIENT_MEMORY', () => step(1, 3));
    const after = JSON.stringify([tested.kvUsage(), ids.map((id) => tested.sequenceLength(id))]);
    check(before === after, () => `a step without memory changed ${before} to ${after}.`);
    await step(1, 2);
    const fork = tested.fork(ids[0]!, 20); // shares rows: needs none
    await mustThrow('one row more', 'GS_INSUFFICIENT_MEMORY', () => tested.step(toInput([{ sequence: 0, tokens: [1] }], [fork]), plans));
    tested.truncate(ids[1]!, 1);
    await tested.step(toInput([{ sequence: 0, tokens: someTokens(11, 128) }], [fork]), plans);
    check(
      tested.kvUsage().used === cap * model.config.layers,
      () => `${tested.kvUsage().used} K/V rows in use, expected ${cap * model.config.layers}.`,
    );
  };
  return withSession(options, model, undefined, body, {}, { maxTokens: cap });
}

async function closeCase(options: ConformanceOptions): Promise<string | undefined> {
  const model = createRandomModel({ seed: 84, config: { layers: 1 } });
  return withSession(options, model, undefined, async ({ tested }) => {
    const id = tested.openSequence();
    const input = toInput([{ sequence: 0, tokens: [1, 2] }], [id]);
    await tested.step(input, [dense(model.config)]);
    await tested.close();
    await tested.close();
    await mustThrow('step after close', 'GS_CLOSED', () => tested.step(input, [dense(model.config)]));
    await mustThrow('openSequence after close', 'GS_CLOSED', () => tested.openSequence());
    await mustThrow('fork after close', 'GS_CLOSED', () => tested.fork(id));
    await mustThrow('truncate after close', 'GS_CLOSED', () => tested.truncate(id, 0));
    await mustThrow('closeSequence after close', 'GS_CLOSED', () => tested.closeSequence(id));
    await mustThrow('sequenceLength after close', 'GS_CLOSED', () => tested.sequenceLength(id));
    await mustThrow('kvUsage after close', 'GS_CLOSED', () => tested.kvUsage());
  });
}

async function loadCase(options: ConformanceOptions): Promise<string | undefined> {
  const model = createRandomModel({ seed: 85, config: { layers: 1 } });
  await mustThrow('load with an aborted signal', 'GS_ABORTED', () =>
    options.backend.load(model, { ...options.load, signal: AbortSignal.abort() }),
  );
  const shares: number[] = [];
  const runner = await options.backend.load(model, { ...options.load, onProgress: (share) => shares.push(share) });
  await runner.close();
  const isSteady = shares.every((share, i) => share >= (shares[i - 1] ?? 0) && share <= 1);
  check(isSteady && shares.at(-1) === 1, () => `progress went ${shares.join(', ')}, expected to rise to 1.`);
  return undefined;
}
