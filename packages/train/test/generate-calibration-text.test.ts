import type { Engine, GenerateRequest } from '@gateskip/engine';
import { AbortedError, InvalidArgumentError } from '@gateskip/errors';
import { describe, expect, it } from 'vitest';
import { calibrationPrompts, generateCalibrationText } from '../src/index.js';

/** Answers each request with a trace of `length` tokens; keeps what it was asked. */
function fakeEngine(length: number, asked: GenerateRequest[]): Engine {
  const generate = (request: GenerateRequest) => {
    asked.push(request);
    const tokens = Array.from({ length }, (_, index) => ((request.sampling?.seed ?? 0) + index) % 100);
    return { result: Promise.resolve({ trace: { tokens } }) };
  };
  return { generate, model: { chatTemplate: '{{ messages }}' } } as unknown as Engine;
}

describe('generateCalibrationText', () => {
  it('asks in turn until there is enough text, each time with another seed', async () => {
    const asked: GenerateRequest[] = [];
    const text = await generateCalibrationText({ engine: fakeEngine(50, asked), prompts: calibrationPrompts, tokens: 4000, parallel: 8 });
    expect(text.tokens).toBe(4000);
    expect(text.answers).toBe(80);
    expect(new Set(asked.map((request) => request.sampling?.seed)).size).toBe(asked.length);
    expect(asked[0]?.messages?.[0]?.content).toBe(calibrationPrompts[0]);
    expect(asked[calibrationPrompts.length]?.messages?.[0]?.content).toBe(calibrationPrompts[0]);
    expect(asked.every((request) => request.trace && request.budget === undefined)).toBe(true);
  });

  it('asks the built-in prompts, each once before any again', async () => {
    const asked: GenerateRequest[] = [];
    await generateCalibrationText({ engine: fakeEngine(50, asked), tokens: 20_000, parallel: 8 });
    expect(asked.length).toBeGreaterThanOrEqual(400);
    expect(new Set(asked.map((request) => request.messages?.[0]?.content)).size).toBe(asked.length);
  });

  it('gives up on a model that says nothing', async () => {
    const asked: GenerateRequest[] = [];
    const text = await generateCalibrationText({ engine: fakeEngine(0, asked), prompts: ['a'], tokens: 10 });
    expect(text.tokens).toBe(0);
    expect(asked).toHaveLength(64);
  });

  it('stops when aborted and refuses absurd numbers', async () => {
    const signal = AbortSignal.abort();
    await expect(generateCalibrationText({ engine: fakeEngine(5, []), signal })).rejects.toThrow(AbortedError);
    await expect(generateCalibrationText({ engine: fakeEngine(5, []), tokens: 0 })).rejects.toThrow(InvalidArgumentError);
    await expect(generateCalibrationText({ engine: fakeEngine(5, []), prompts: [] })).rejects.toThrow(/no prompt/);
  });

  it('has varied prompts', () => {
    expect(calibrationPrompts.length).toBeGreaterThanOrEqual(40);
    expect(new Set(calibrationPrompts).size).toBe(calibrationPrompts.length);
  });
});
