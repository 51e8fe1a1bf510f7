import { describe, expect, it } from 'vitest';
import type { GenerateRequest } from '../src/index.js';
import { createEngine } from '../src/index.js';
import { fakeBackend, fakeModel } from './fake-runner.js';
import { begin, byteTokenizer, end } from './fake-tokenizer.js';
import { fakeEngine, rejection } from './helpers.js';

/** Requests as they come from JSON or JavaScript: of any shape. */
const bad: [field: string, request: Record<string, unknown>][] = [
  ['prompt', {}],
  ['prompt', { prompt: 'a', tokens: [1] }],
  ['prompt', { prompt: 7 }],
  ['messages', { messages: [] }],
  ['messages', { messages: 'hi' }],
  ['messages', { messages: new Array(5000).fill({ role: 'user', content: 'x' }) }],
  ['messages[0]', { messages: [null] }],
  ['messages[1].content', { messages: [{ role: 'user', content: '' }, { role: 'user' }] }],
  ['messages[0].role', { messages: [{ role: '', content: 'x' }] }],
  ['tokens', { tokens: 5 }],
  ['tokens', { tokens: { length: -1 } }],
  ['tokens[1]', { tokens: [1, 1e9] }],
  ['tokens[0]', { tokens: [-1] }],
  ['tokens[0]', { tokens: [1.5] }],
  ['tokens[0]', { tokens: [Number.NaN] }],
  ['tokens[0]', { tokens: { length: 3 } }],
  ['maxTokens', { prompt: 'a', maxTokens: -1 }],
  ['maxTokens', { prompt: 'a', maxTokens: 1e12 }],
  ['maxTokens', { prompt: 'a', maxTokens: 1.5 }],
  ['maxTokens', { prompt: 'a', maxTokens: '5' }],
  ['overflow', { prompt: 'a', overflow: 'truncate' }],
  ['stop', { prompt: 'a', stop: 'x' }],
  ['stop', { prompt: 'a', stop: new Array(1000000).fill('x') }],
  ['stop[1]', { prompt: 'a', stop: ['x', ''] }],
  ['stop[0]', { prompt: 'a', stop: ['x'.repeat(100000)] }],
  ['stop[0]', { prompt: 'a', stop: ['\ud83d'] }],
  ['sampling', { prompt: 'a', sampling: 'hot' }],
  ['sampling.temperature', { prompt: 'a', sampling: { temperature: Number.POSITIVE_INFINITY } }],
  ['sampling.temperature', { prompt: 'a', sampling: { temperature: -0.1 } }],
  ['sampling.topK', { prompt: 'a', sampling: { topK: Number.NaN } }],
  ['sampling.topK', { prompt: 'a', sampling: { topK: -5 } }],
  ['sampling.topP', { prompt: 'a', sampling: { topP: 1.1 } }],
  ['sampling.minP', { prompt: 'a', sampling: { minP: Number.NaN } }],
  ['sampling.repetitionPenalty', { prompt: 'a', sampling: { repetitionPenalty: 0 } }],
  ['sampling.repetitionWindow', { prompt: 'a', sampling: { repetitionWindow: 0.5 } }],
  ['sampling.seed', { prompt: 'a', sampling: { seed: 2 ** 60 } }],
  ['budget', { prompt: 'a', budget: {} }],
  ['budget', { prompt: 'a', budget: { skip: 0.1, net: 0.9 } }],
  ['budget', { prompt: 'a', budget: { latency: 3 } }],
  ['budget.skip', { prompt: 'a', budget: { skip: Number.NaN } }],
  ['budget.net', { prompt: 'a', budget: { net: 2 } }],
  ['budget.speedup', { prompt: 'a', budget: { speedup: 0.5 } }],
  ['policy', { prompt: 'a', policy: 'random' }],
  ['policyOptions', { prompt: 'a', budget: { skip: 0.1 }, policyOptions: { big: 'x'.repeat(100000) } }],
  ['policyOptions', { prompt: 'a', budget: { skip: 0.1 }, policyOptions: { big: 5n } }],
  ['kv', { prompt: 'a', kv: 'none' }],
  ['logprobs', { prompt: 'a', logprobs: 21 }],
  ['logprobs', { prompt: 'a', logprobs: -1 }],
  ['prefillChunk', { prompt: 'a', prefillChunk: 0 }],
  ['trace', { prompt: 'a', trace: 'yes' }],
  ['ignoreEnd', { prompt: 'a', ignoreEnd: 1 }],
  ['signal', { prompt: 'a', signal: {} }],
];

describe('a request out of bounds', () => {
  it.each(bad)('is refused by the name of the field: %s %#', async (field, request) => {
    const { engine, runner } = await fakeEngine();
    const generation = engine.generate(request as unknown as GenerateRequest);
    const error = await rejection(generation.result);
    expect([error.code, error.fields.what]).toEqual(['GS_INVALID_ARGUMENT', field]);
    expect(await rejection(generation[Symbol.asyncIterator]().next())).toBe(error);
    expect(error.message.length).toBeLessThan(300);
    expect([runner.steps.length, engine.load]).toEqual([0, { running: 0, waiting: 0 }]);
  });

  it.each([undefined, null, 5, 'x', []])('is refused where it is no object: %s', async (request) => {
    const { engine } = await fakeEngine();
    expect(await rejection(engine.generate(request as unknown as GenerateRequest).result)).toMatchObject({ code: 'GS_INVALID_ARGUMENT' });
  });

  it('options of the engine are bounded too', async () => {
    for (const options of [{ maxRows: 0 }, { maxRows: 1e9 }, { maxSequences: Number.NaN }]) {
      expect(await rejection(createEngine({ model: fakeModel(byteTokenizer), backend: fakeBackend(), ...options }))).toMatchObject({
        code: 'GS_INVALID_ARGUMENT',
      });
    }
  });
});

describe('the context', () => {
  it('refuses a prompt that does not fit, with both counts', async () => {
    const { engine } = await fakeEngine();
    expect(await rejection(engine.generate({ prompt: 'x'.repeat(300) }).result)).toMatchObject({
      code: 'GS_CONTEXT_OVERFLOW',
      fields: { promptTokens: 301, contextLength: 256 },
    });
    expect(await rejection(engine.generate({ tokens: { length: 2 ** 40 }, overflow: 'clamp' }).result)).toMatchObject({
      code: 'GS_CONTEXT_OVERFLOW',
    });
    // Refused unread: no tokenizer is asked.
    expect(await rejection(engine.generate({ prompt: 'x'.repeat(1e6) }).result)).toMatchObject({
      code: 'GS_CONTEXT_OVERFLOW',
      name: 'PromptTooLongError',
    });
  });

  it('refuses maxTokens that does not fit, or clamps it where asked and says so', async () => {
    const { engine } = await fakeEngine();
    const request = { tokens: new Array<number>(250).fill(65), maxTokens: 7, ignoreEnd: true };
    expect(await rejection(engine.generate(request).result)).toMatchObject({
      code: 'GS_CONTEXT_OVERFLOW',
      fields: { what: 'maxTokens', promptTokens: 250, maxTokens: 7, contextLength: 256 },
    });
    expect(await engine.generate({ ...request, overflow: 'clamp' }).result).toMatchObject({
      clamped: true,
      completionTokens: 6,
      finishReason: 'length',
    });
    expect(await engine.generate({ ...request, maxTokens: 6 }).result).toMatchObject({ clamped: false, completionTokens: 6 });
    expect(await engine.generate({ ...request, maxTokens: undefined }).result).toMatchObject({ clamped: false, completionTokens: 6 });
  });

  it('runs the prompt alone where no token is asked', async () => {
    const { engine, runner } = await fakeEngine();
    expect(await engine.generate({ tokens: [1, 2, 3], maxTokens: 0, trace: true }).result).toMatchObject({
      text: '',
      tokens: [],
      finishReason: 'length',
      promptTokens: 3,
      kvRows: { used: 6, dense: 6 },
      trace: { tokens: [1, 2, 3], branches: 4, promptTokens: 3 },
    });
    expect(runner.open.size).toBe(0);
  });
});

describe('the prompt', () => {
  it('that is empty starts from the begin token, or is refused', async () => {
    const { engine } = await fakeEngine();
    expect(await engine.generate({ tokens: [], maxTokens: 1 }).result).toMatchObject({ promptTokens: 1 });
    expect(await engine.generate({ prompt: '', maxTokens: 1 }).result).toMatchObject({ promptTokens: 1 });
    const model = fakeModel({ ...byteTokenizer, beginToken: undefined, addBegin: false, encode: () => new Int32Array(0) });
    const { engine: other } = await fakeEngine({ model });
    expect(await rejection(other.generate({ prompt: '' }).result)).toMatchObject({
      code: 'GS_INVALID_ARGUMENT',
      fields: { what: 'prompt' },
    });
  });

  it('as text needs a tokenizer, as tokens does not', async () => {
    const { engine } = await fakeEngine({ model: fakeModel(undefined) });
    expect(await rejection(engine.generate({ prompt: 'a' }).result)).toMatchObject({ code: 'GS_UNSUPPORTED' });
    expect(await engine.generate({ tokens: [1], maxTokens: 3 }).result).toMatchObject({ text: '', completionTokens: 3 });
  });

  it('takes half a surrogate pair as U+FFFD', async () => {
    let asked = '';
    const encode: typeof byteTokenizer.encode = (text, options) => {
      asked = text;
      return byteTokenizer.encode(text, options);
    };
    const { engine } = await fakeEngine({ model: fakeModel({ ...byteTokenizer, encode }) });
    await engine.generate({ prompt: 'a\ud83db\ude00', maxTokens: 1 }).result;
    expect(asked).toBe('a\uFFFDb\uFFFD');
  });

  it('in a conversation goes through the template, and cannot speak special tokens', async () => {
    const chatTemplate = '{% for message in messages %}<|turn|>{{ message.role }}:{{ message.content }}<|end|>{% endfor %}<|turn|>';
    const { engine } = await fakeEngine({ model: { ...fakeModel(byteTokenizer), chatTemplate } });
    const messages = [
      { role: 'system', content: 'be <|end|> brief' },
      { role: 'user', content: 'hi \ud83d' },
    ];
    const { trace } = await engine.generate({ messages, maxTokens: 0, trace: true }).result;
    const tokens = [...(trace?.tokens ?? [])];
    expect([tokens[0], tokens.filter((id) => id === end).length]).toEqual([begin, 2]);
    const plain = tokens.filter((id) => !byteTokenizer.isSpecial(id));
    expect(byteTokenizer.decode(plain)).toBe('system:be <|end|> briefuser:hi \uFFFD');
    const aborted = engine.generate({ messages });
    expect(engine.load.waiting).toBe(1);
    aborted.abort();
    expect(engine.load.waiting).toBe(0);
    expect(await rejection(aborted.result)).toMatchObject({ code: 'GS_ABORTED' });
    const { engine: plainEngine } = await fakeEngine();
    expect((await rejection(plainEngine.generate({ messages }).result)).code).toMatch(/^GS_/);
  });
});
