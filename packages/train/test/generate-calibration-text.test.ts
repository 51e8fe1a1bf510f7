import { referenceBackend } from '@gateskip/backend-reference';
import { createEngine, type Engine } from '@gateskip/engine';
import { AbortedError, InvalidArgumentError } from '@gateskip/errors';
import { createRandomModel, TemplateError } from '@gateskip/model';
import { describe, expect, it, onTestFinished } from 'vitest';
import { type CalibrationTextRequest, type FitProgress, generateCalibrationText } from '../src/index.js';
import { asciiModel, asciiTokenizer, TEMPLATE } from './data/support.js';

const { decode } = asciiTokenizer();

async function openEngine(model = asciiModel()): Promise<Engine> {
  const engine = await createEngine({ model, backend: referenceBackend });
  onTestFinished(() => engine.close());
  return engine;
}

const prompts: CalibrationTextRequest['prompts'] = [
  { kind: 'chat', messages: [{ role: 'user', content: 'Who?' }] },
  {
    kind: 'chat',
    messages: [
      { role: 'system', content: 'Be brief.' },
      { role: 'user', content: 'Why?' },
    ],
  },
  { kind: 'document', text: 'It was' },
];

/** What the model is asked for 12,000 tokens of its own text, each answered by a token. */
async function builtInQuestions(chatTemplate = TEMPLATE): Promise<string[]> {
  const engine = await openEngine(asciiModel({ chatTemplate, contextLength: 512 }));
  const { sequences } = await generateCalibrationText({ engine, tokens: 12_000, maxAnswerTokens: 1 });
  return sequences.map((tokens) => decode(tokens.subarray(0, -1)));
}

describe('generateCalibrationText', () => {
  it('writes conversations, some with a system message, and documents until there is enough', async () => {
    const progress: FitProgress[] = [];
    const engine = await openEngine();
    const text = await generateCalibrationText({
      engine,
      prompts,
      tokens: 900,
      maxAnswerTokens: 20,
      onProgress: (at) => progress.push(at),
    });
    expect(text.tokens).toBeGreaterThanOrEqual(900);
    expect(text.tokens).toBe(text.sequences.reduce((sum, { length }) => sum + length, 0));
    expect(text.answers).toBe(text.sequences.length);
    // Without the last there would be too little.
    expect(text.tokens - (text.sequences.at(-1)?.length ?? 0)).toBeLessThan(900);
    const written = text.sequences.map((tokens) => decode(tokens));
    const kinds = [/^<turn>user:Who\?<end>/, /^<turn>system:Be brief\.<end>\n<turn>user:Why\?<end>/, /^It was/];
    for (const kind of kinds) expect(written.filter((one) => kind.test(one)).length).toBeGreaterThan(3);
    // A prompt that is asked again is answered differently.
    expect(new Set(written).size).toBe(written.length);
    expect(progress.every(({ phase, total }) => phase === 'text' && total === 900)).toBe(true);
    expect(progress.at(-1)?.done).toBe(900);
  });

  it('is the same text however many are written at once, and another with another seed', async () => {
    const engine = await openEngine();
    const request = { engine, prompts, tokens: 400, maxAnswerTokens: 20 };
    const text = await generateCalibrationText({ ...request, parallel: 1 });
    expect(await generateCalibrationText({ ...request, parallel: 7 })).toEqual(text);
    expect(await generateCalibrationText({ ...request, seed: 2 })).not.toEqual(text);
  });

  it('asks the built-in prompts, none again before all of its kind', async () => {
    const questions = await builtInQuestions();
    expect(new Set(questions).size).toBe(questions.length);
    expect(questions.filter((one) => one.includes('system:')).length).toBeGreaterThan(5);
    expect(questions.filter((one) => !one.includes('user:')).length).toBeGreaterThan(30);
  });

  it('asks without system messages where the template refuses them', async () => {
    const refusing = `{% if messages[0]['role'] == 'system' %}{{ raise_exception('No system message.') }}{% endif %}${TEMPLATE}`;
    const questions = await builtInQuestions(refusing);
    expect(questions.filter((one) => one.includes('user:')).length).toBeGreaterThan(60);
    expect(questions.some((one) => one.includes('system:'))).toBe(false);
    // Those that a caller gives are asked as they are.
    const engine = await openEngine(asciiModel({ chatTemplate: refusing }));
    await expect(generateCalibrationText({ engine, prompts })).rejects.toThrow(TemplateError);
  });

  it('does not take a template that runs too long for one that refuses', async () => {
    const endless = `{% if messages[0]['role'] == 'system' %}{% for i in range(100000000) %}{% for k in range(100000000) %}{% endfor %}{% endfor %}{% endif %}${TEMPLATE}`;
    await expect(builtInQuestions(endless)).rejects.toThrow(TemplateError);
  });

  it('leaves the engine idle: its runner may be used at once', async () => {
    const engine = await openEngine();
    await generateCalibrationText({ engine, prompts, tokens: 40, parallel: 8 });
    expect(engine.load).toEqual({ running: 0, waiting: 0 });
    engine.runner.closeSequence(engine.runner.openSequence());
    await engine.close();
  });

  it('stops when aborted, refuses absurd numbers and a model that reads no text', async () => {
    const engine = await openEngine();
    await expect(generateCalibrationText({ engine, signal: AbortSignal.abort() })).rejects.toThrow(AbortedError);
    await expect(generateCalibrationText({ engine, tokens: 0 })).rejects.toThrow(InvalidArgumentError);
    await expect(generateCalibrationText({ engine, prompts: [] })).rejects.toThrow(/no prompt/);
    await expect(generateCalibrationText({ engine: await openEngine(createRandomModel({ seed: 1 })) })).rejects.toThrow(/no tokenizer/);
  });
});
