import { describe, expect, it } from 'vitest';
import { findAsk } from '../find-ask.mjs';

describe('looking for what to ask for', () => {
  it.each([
    ['keeps to what it is asked', (ask) => ask],
    ['gives a third less', (ask) => 0.66 * ask],
    ['gives more than asked', (ask) => Math.sqrt(ask) * 0.7],
    ['bends', (ask) => ask ** 2 + 0.3 * ask],
  ])('finds it where a policy %s', async (_, held) => {
    for (const target of [0.05, 0.15, 0.4]) {
      const found = await findAsk(target, async (ask) => held(ask), { mostProbes: 12 });
      expect(Math.abs(found.held - target)).toBeLessThanOrEqual(0.0025);
      expect(held(found.ask)).toBe(found.held);
    }
  });

  it('needs one probe where asked is held', async () => {
    expect(await findAsk(0.25, async (ask) => ask)).toEqual({ ask: 0.25, held: 0.25, probes: 1 });
  });

  it('stays below what is out of reach, and gives the nearest', async () => {
    const found = await findAsk(0.5, async (ask) => (ask > 0.45 ? undefined : 0.9 * ask));
    expect(found.ask).toBeLessThanOrEqual(0.45);
    expect(found.held).toBeGreaterThan(0.3);
    expect(await findAsk(0.5, async () => undefined)).toBeUndefined();
  });
});
