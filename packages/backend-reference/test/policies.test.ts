import type { Backend, Runner, StepResult } from '@gateskip/backend';
import { ConformanceError, policyCases } from '@gateskip/backend/conformance';
import { policies } from '@gateskip/scheduler';
import { describe, expect, it } from 'vitest';
import { referenceBackend } from '../src/index.js';

/** Every policy there is; the one that wants a list of branches is given one. */
const tested = policies.map((factory) =>
  factory.name === 'static'
    ? { ...factory, create: (setting: Parameters<typeof factory.create>[0]) => factory.create({ ...setting, options: { layers: [3] } }) }
    : factory,
);

describe('every policy on the reference backend', () => {
  it('is here by name', () => expect(tested.length).toBeGreaterThan(10));
  for (const { name, run } of policyCases({ backend: referenceBackend }, tested)) {
    it(name, async (context) => {
      const reason = await run();
      if (reason !== undefined) context.skip(reason);
    });
  }
});

describe('the policy cases notice', () => {
  const kl = policies.filter(({ name }) => name === 'static-kl');
  const spoiled = (change: (result: StepResult, rows: number) => Partial<StepResult>): Backend => ({
    ...referenceBackend,
    async load(model, options) {
      const runner = await referenceBackend.load(model, options);
      const step: Runner['step'] = async (input, plans, signal) => {
        const result = await runner.step(input, plans, signal);
        return { ...result, ...change(result, input.tokens.length) };
      };
      return new Proxy(runner, {
        get(target, key) {
          const value: unknown = key === 'step' ? step : Reflect.get(target, key, target);
          return typeof value === 'function' ? value.bind(target) : value;
        },
      });
    },
  });
  const outcome = async (backend: Backend, part: RegExp) => {
    const cases = policyCases({ backend }, kl).filter(({ name }) => part.test(name));
    expect(cases).toHaveLength(1);
    return cases[0]!.run();
  };

  it.each<[string, RegExp, Backend]>([
    ['a MAC too many', /MACs/, spoiled(({ macs }) => ({ macs: macs.map((count) => count + 1) }))],
    ['logits that depend on the company', /company/, spoiled(({ logits }, rows) => ({ logits: logits!.map((value) => value + rows) }))],
    ['a row skipped where nothing may', /nothing/, spoiled(({ keptRows }) => ({ keptRows: keptRows!.map(() => 0) }))],
  ])('%s', async (_, part, backend) => {
    await expect(outcome(backend, part)).rejects.toThrow(ConformanceError);
    expect(await outcome(referenceBackend, part)).toBeUndefined();
  });
});
