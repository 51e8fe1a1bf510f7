import { policyCases } from '@gateskip/backend/conformance';
import { policies } from '@gateskip/scheduler';
import { describe, expect, it } from 'vitest';
import { cpuBackend } from '../src/index.js';

/** Every policy there is; the one that wants a list of branches is given one. */
const tested = policies.map((factory) =>
  factory.name === 'static'
    ? { ...factory, create: (setting: Parameters<typeof factory.create>[0]) => factory.create({ ...setting, options: { layers: [3] } }) }
    : factory,
);

describe('every policy on the cpu backend', () => {
  it('is here by name', () => expect(tested.length).toBeGreaterThan(10));
  for (const { name, run } of policyCases({ backend: cpuBackend }, tested)) {
    it(name, async (context) => {
      const reason = await run();
      if (reason !== undefined) context.skip(reason);
    });
  }
});
