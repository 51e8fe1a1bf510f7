import { InsufficientMemoryError } from '@gateskip/errors';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { GenerateRequest, GenerationResult } from '../src/index.js';
import { collect, fakeEngine } from './helpers.js';

const arbitraryRequest = fc.record({
  length: fc.integer({ min: 1, max: 40 }),
  maxTokens: fc.integer({ min: 0, max: 12 }),
  first: fc.integer({ min: 0, max: 255 }),
  sampling: fc.constantFrom<GenerateRequest['sampling'] & object>(
    {},
    { temperature: 1, seed: 3 },
    { temperature: 1, topK: 8, seed: 4 },
    { repetitionPenalty: 1.2 },
  ),
  prefillChunk: fc.integer({ min: 1, max: 50 }),
  /** Turns of the event loop until it comes, and until it is aborted; -1: never. */
  arrival: fc.integer({ min: 0, max: 6 }),
  abortAfter: fc.oneof(fc.constant(-1), fc.integer({ min: 0, max: 12 })),
  iterate: fc.boolean(),
});

const arbitraryFaults = fc.array(fc.constantFrom('none', 'none', 'none', 'error', 'memory', 'string'), { maxLength: 20 });

async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn++) await new Promise((resolve) => setImmediate(resolve));
}

describe('no request is lost', () => {
  it('under any mix of lengths, arrivals, aborts and failing steps', async () => {
    const { engine: quiet } = await fakeEngine();
    await fc.assert(
      fc.asyncProperty(
        fc.array(arbitraryRequest, { minLength: 1, maxLength: 10 }),
        arbitraryFaults,
        fc.integer({ min: 1, max: 64 }),
        fc.integer({ min: 1, max: 8 }),
        fc.integer({ min: 60, max: 300 }),
        async (plans, faults, maxRows, maxSequences, capacity) => {
          let step = 0;
          const { engine, runner } = await fakeEngine({
            maxRows,
            maxSequences,
            capacity,
            before: () => {
              const fault = faults[step++] ?? 'none';
              if (fault === 'error') throw new Error('injected');
              if (fault === 'string') throw 'injected';
              if (fault === 'memory') throw new InsufficientMemoryError('injected', 2, 1);
            },
          });
          const outcomes = await Promise.all(
            plans.map(async (plan) => {
              await turns(plan.arrival);
              const { length, maxTokens, first, sampling, prefillChunk } = plan;
              const tokens = Array.from({ length }, (_, index) => (first + index) % 256);
              const request: GenerateRequest = { tokens, maxTokens, sampling, ignoreEnd: true };
              const generation = engine.generate({ ...request, prefillChunk });
              const streamed = plan.iterate ? collect(generation).catch((error: unknown) => ({ error })) : undefined;
              const outcome = generation.result.then(
                (result): { result: GenerationResult } => ({ result }),
                (error: { code: string }) => ({ code: error.code }),
              );
              if (plan.abortAfter >= 0) void turns(plan.abortAfter).then(() => generation.abort());
              const settled = await outcome;
              const stream = await streamed;
              if ('result' in settled) {
                const expected = await quiet.generate(request).result;
                expect(settled.result.tokens).toEqual(expected.tokens);
                expect(settled.result.skip).toEqual(expected.skip);
                if (stream) expect(stream).toMatchObject({ text: expected.text, tokens: expected.tokens });
              } else {
                expect(
                  plan.abortAfter >= 0
                    ? ['GS_ABORTED', 'GS_STEP_FAILED', 'GS_INSUFFICIENT_MEMORY']
                    : ['GS_STEP_FAILED', 'GS_INSUFFICIENT_MEMORY'],
                ).toContain(settled.code);
                if (stream) expect(stream).toMatchObject({ error: { code: settled.code } });
              }
              return settled;
            }),
          );
          expect(outcomes).toHaveLength(plans.length);
          // Not more fail than steps did.
          const failed = outcomes.filter((outcome) => 'code' in outcome && outcome.code !== 'GS_ABORTED').length;
          expect(failed).toBeLessThanOrEqual(faults.filter((fault) => fault !== 'none').length);
          await turns(4);
          expect([runner.open.size, engine.load]).toEqual([0, { running: 0, waiting: 0 }]);
          step = faults.length;
          expect((await engine.generate({ tokens: [1], maxTokens: 0 }).result).promptTokens).toBe(1);
        },
      ),
      { numRuns: 60 },
    );
  });
});
