import { describe, expect, it } from 'vitest';
import { findAddon } from '../src/addon.js';
import { measureMachine } from '../src/index.js';

const code = (expected: string) => expect.objectContaining({ code: expected });
const found = findAddon();
const instructionSets = 'addon' in found ? found.addon.instructionSets() : [];

describe('measuring the machine', () => {
  it.each(instructionSets)('gives rates on %s', async (isa) => {
    const measured = await measureMachine({ threads: 2, seconds: 0.01, isa });
    expect(measured).toMatchObject({ instructionSet: isa, threads: 2 });
    expect(measured.readBytesPerSecond).toBeGreaterThan(0);
    // Only plain code has no dot product of int8.
    if (isa === 'scalar') expect(measured.int8MacsPerSecond).toBeUndefined();
    else expect(measured.int8MacsPerSecond).toBeGreaterThan(0);
  });

  it('leaves the event loop free and can be aborted', async () => {
    const controller = new AbortController();
    setTimeout(() => controller.abort(), 20);
    const startedMs = performance.now();
    await expect(measureMachine({ threads: 1, seconds: 60, signal: controller.signal })).rejects.toEqual(code('GS_ABORTED'));
    expect(performance.now() - startedMs).toBeLessThan(60_000);
    await expect(measureMachine({ signal: AbortSignal.abort() })).rejects.toEqual(code('GS_ABORTED'));
  });

  it.each([{ threads: 0 }, { threads: 1025 }, { threads: 1.5 }, { seconds: 0 }, { seconds: 61 }, { seconds: Number.NaN }, { isa: 'mmx' }])(
    'refuses %o',
    async (options) => {
      await expect(measureMachine(options)).rejects.toEqual(code('GS_INVALID_ARGUMENT'));
    },
  );
});
