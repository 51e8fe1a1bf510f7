import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { commandLine, documentOf, type ErrorDocument, testFolder } from './support/command-line.js';
import { tinyContext, writeTinyModel } from './support/tiny-model.js';

interface RunDocument {
  readonly text: string;
  readonly promptTokens: number;
  readonly completionTokens: number;
  readonly prefillTokensPerSecond: number;
  readonly decodeTokensPerSecond: number;
  readonly skip: { readonly asked: unknown; readonly held: { readonly skip: number; readonly net: number } };
  readonly netMacs: number;
  readonly kvRows: { readonly used: number; readonly dense: number };
  readonly backend: string;
  readonly backendsPassedOver: readonly { readonly name: string }[];
  readonly finishReason: string;
  readonly seed: number;
  readonly clamped: boolean;
  readonly chatTemplate: boolean;
  readonly policy: string;
  readonly adapter: unknown;
  readonly logprobs: readonly { readonly logprob: number; readonly top: readonly unknown[] }[];
}

const folder = testFolder();
const model = join(folder, 'tiny.gguf');
const run = ['run', model, '--backend', 'reference', '-n', '12', '--ignore-end'];

beforeAll(() => void writeTinyModel(model));

async function runJson(words: readonly string[], stdin?: string): Promise<RunDocument> {
  const ran = await commandLine([...words, '--json'], stdin === undefined ? {} : { stdin });
  expect(ran.code, ran.stdout + ran.stderr).toBe(0);
  return documentOf<RunDocument>(ran);
}

describe('gateskip run', () => {
  it('gives the text and the numbers as one document', async () => {
    const done = await runJson([...run, 'hello', '--seed', '3']);
    expect(done.promptTokens).toBeGreaterThan(4);
    expect(done.completionTokens).toBe(12);
    expect(done.prefillTokensPerSecond).toBeGreaterThan(0);
    expect(done.decodeTokensPerSecond).toBeGreaterThan(0);
    expect(done.skip).toMatchObject({ asked: null, held: { skip: 0, net: 1 } });
    expect(done.netMacs).toBe(1);
    // The last token sampled never ran through the model.
    expect(done.kvRows).toEqual({ used: 5 * (done.promptTokens + 11), dense: 5 * (done.promptTokens + 11) });
    expect(done).toMatchObject({ backend: 'reference', finishReason: 'length', seed: 3, clamped: false, policy: 'dense', adapter: null });
  });

  it('streams the same text, with the numbers on stderr', async () => {
    const done = await runJson([...run, 'hello']);
    const pieces: string[] = [];
    const ran = await commandLine([...run, 'hello'], { onStdout: (text) => pieces.push(text) });
    expect(ran.stdout).toBe(done.text);
    expect(pieces.length).toBeGreaterThan(1);
    expect(ran.stderr).toMatch(/prompt \d+ tokens at .*answer 12 tokens/);
    expect(ran.stderr).toMatch(/no budget \(dense\), net MACs 100\.0 %/);
    const quiet = await commandLine([...run, 'hello', '--quiet']);
    expect(quiet).toEqual({ code: 0, stdout: done.text, stderr: '' });
  });

  it('takes the prompt from argument, file and pipe, with and without the chat template', async () => {
    const file = join(folder, 'prompt.txt');
    writeFileSync(file, 'hello\n');
    const argument = await runJson([...run, 'hello']);
    expect((await runJson([...run, '--file', file])).text).toBe(argument.text);
    expect((await runJson(run, 'hello\n')).text).toBe(argument.text);
    expect((await runJson([...run, '-'], 'hello')).text).toBe(argument.text);
    const raw = await runJson([...run, '--raw', 'hello']);
    expect([argument.chatTemplate, raw.chatTemplate, raw.promptTokens]).toEqual([true, false, 1]);
    expect((await runJson([...run, '--raw'], 'hello\n')).promptTokens).toBe(2);
    expect((await runJson([...run, 'hello', '--system', 'Be brief.'])).promptTokens).toBeGreaterThan(argument.promptTokens);
  });

  it('samples by seed, stops at stop strings, gives log-probabilities', async () => {
    const hot = [...run, 'hello', '--temperature', '1.5', '--top-p', '0.95'];
    const first = await runJson([...hot, '--seed', '11']);
    expect((await runJson([...hot, '--seed', '11'])).text).toBe(first.text);
    expect((await runJson([...hot, '--seed', '12'])).text).not.toBe(first.text);
    const whole = await runJson([...run, 'hello']);
    const stop = [...whole.text][3] as string;
    const stopped = await runJson([...run, 'hello', '--stop', 'never-said', '--stop', stop]);
    expect(stopped).toMatchObject({ finishReason: 'stop', stopString: stop, text: whole.text.slice(0, whole.text.indexOf(stop)) });
    const { logprobs } = await runJson([...run, 'hello', '--logprobs', '3']);
    expect(logprobs).toHaveLength(12);
    expect(logprobs[0]?.top).toHaveLength(3);
    expect(logprobs[0]?.logprob).toBeLessThan(0);
  });

  it('gives the same text whatever the chunks of the prompt', async () => {
    const whole = await runJson([...run, 'hello hello hello']);
    expect((await runJson([...run, 'hello hello hello', '--prefill-chunk', '3'])).text).toBe(whole.text);
  });

  it('skips at random where a policy asks no gates, and reports what was held', async () => {
    const done = await runJson([
      ...run,
      'hello there, hello',
      '--budget',
      '30%',
      '--policy',
      'random',
      '--policy-option',
      'pinnedTokens=2',
    ]);
    expect(done.skip.asked).toEqual({ skip: 0.3 });
    expect(done.skip.held.skip).toBeGreaterThan(0.05);
    expect(done.netMacs).toBeLessThan(1);
    expect(done.policy).toBe('random');
  });

  it('clamps an answer to the context where nobody gave a length, or where asked; else refuses with the counts', async () => {
    const free = await runJson(['run', model, '--backend', 'reference', '--ignore-end', '--raw', 'x'.repeat(tinyContext - 8)]);
    expect(free).toMatchObject({ clamped: true, completionTokens: 8 });
    const long = [...run, '--raw', 'x'.repeat(tinyContext - 8)];
    expect(await runJson([...long, '--context-overflow', 'clamp'])).toMatchObject({ clamped: true, completionTokens: 8 });
    const ran = await commandLine([...long, '--json']);
    expect(ran.code).toBe(2);
    expect(documentOf<ErrorDocument>(ran).error).toMatchObject({
      code: 'GS_CONTEXT_OVERFLOW',
      fields: { promptTokens: tinyContext - 8, maxTokens: 12, contextLength: tinyContext },
    });
    const over = await commandLine([...run, '--raw', 'x'.repeat(tinyContext + 1), '--context-overflow', 'clamp', '--json']);
    expect([over.code, documentOf<ErrorDocument>(over).error.code]).toEqual([2, 'GS_CONTEXT_OVERFLOW']);
  });

  it('says which backend could not run, and refuses what does not exist', async () => {
    const before = process.env.GATESKIP_CPU_ADDON;
    process.env.GATESKIP_CPU_ADDON = join(folder, 'missing.node');
    try {
      const cpu = await commandLine(['run', model, 'hi', '--backend', 'cpu', '--json']);
      expect([cpu.code, documentOf<ErrorDocument>(cpu).error.code]).toEqual([3, 'GS_BACKEND_UNAVAILABLE']);
      const automatic = await commandLine(['run', model, 'hi', '-n', '2', '--json']);
      expect(documentOf<RunDocument>(automatic).backend).toBe('reference');
      expect(documentOf<RunDocument>(automatic).backendsPassedOver[0]?.name).toBe('cpu');
      expect(automatic.stderr).toMatch(/^warning: backend cpu cannot run here \(.*missing\.node/);
    } finally {
      if (before === undefined) delete process.env.GATESKIP_CPU_ADDON;
      else process.env.GATESKIP_CPU_ADDON = before;
    }
    const unknown = await commandLine(['run', model, 'hi', '--backend', 'abacus', '--json']);
    expect([unknown.code, documentOf<ErrorDocument>(unknown).error.code]).toEqual([2, 'GS_INVALID_ARGUMENT']);
  });

  it('refuses a budget without gates, and names the way to get them', async () => {
    const ran = await commandLine([...run, 'hi', '--budget', '25%', '--json']);
    const { error } = documentOf<ErrorDocument>(ran);
    expect([ran.code, error.code]).toEqual([2, 'GS_NO_ADAPTER']);
    expect(error.remedy).toMatch(/gateskip fit .*tiny\.gguf --out gates\.safetensors/);
    const none = await commandLine([...run, 'hi', '--budget', '25%', '--adapter', 'none', '--json']);
    expect([none.code, documentOf<ErrorDocument>(none).error.code]).toEqual([2, 'GS_NO_ADAPTER']);
  });

  const refused: readonly (readonly [string, readonly string[], string])[] = [
    ['no prompt', [], 'GS_USAGE'],
    ['two prompts', ['hi', '--file', 'x.txt'], 'GS_USAGE'],
    ['a missing prompt file', ['--file', join(folder, 'nowhere.txt')], 'GS_TEXT_INPUT'],
    ['--system with --raw', ['hi', '--raw', '--system', 'x'], 'GS_USAGE'],
    ['a policy without a budget', ['hi', '--policy', 'random'], 'GS_USAGE'],
    ['an unknown policy', ['hi', '--budget', '10%', '--policy', 'magic'], 'GS_UNKNOWN_POLICY'],
    ['an unknown option of a policy', ['hi', '--budget', '10%', '--policy', 'random', '--policy-option', 'x=1'], 'GS_INVALID_ARGUMENT'],
    ['a budget that is none', ['hi', '--budget', '0.25'], 'GS_INVALID_BUDGET'],
    ['a budget of everything', ['hi', '--budget', '100%'], 'GS_INVALID_BUDGET'],
    ['a negative max-tokens', ['hi', '-n', '-1'], 'GS_USAGE'],
    ['a max-tokens of 1e9', ['hi', '-n', '1e9'], 'GS_USAGE'],
    ['a max-tokens that is not whole', ['hi', '-n', '1.5'], 'GS_USAGE'],
    ['a top-k that is no number', ['hi', '--top-k', 'NaN'], 'GS_USAGE'],
    ['a temperature of infinity', ['hi', '--temperature', 'Infinity'], 'GS_USAGE'],
    ['a hexadecimal seed', ['hi', '--seed', '0x10'], 'GS_USAGE'],
    ['too many log-probabilities', ['hi', '--logprobs', '21'], 'GS_USAGE'],
    ['no threads', ['hi', '--threads', '0'], 'GS_USAGE'],
    ['seventeen stop strings', ['hi', ...Array.from({ length: 17 }, () => ['--stop', 'x']).flat()], 'GS_USAGE'],
    ['an empty stop string', ['hi', '--stop', ''], 'GS_INVALID_ARGUMENT'],
    ['an unknown option', ['hi', '--nonsense'], 'GS_USAGE'],
    ['too many arguments', ['hi', 'there'], 'GS_USAGE'],
    ['an empty adapter name', ['hi', '--adapter', ''], 'GS_USAGE'],
    ['a missing adapter', ['hi', '--adapter', join(folder, 'nowhere.safetensors')], 'GS_MODEL_IO'],
  ];
  it.each(refused)('refuses %s with exit code 2', async (_, words, code) => {
    const ran = await commandLine(['run', model, '--backend', 'reference', ...words, '--json']);
    const { error } = documentOf<ErrorDocument>(ran);
    expect(error.code, error.message).toBe(code);
    expect(ran.code).toBe(2);
    expect(error.message).not.toMatch(/\n\s+at /);
  });

  it('refuses what is no text', async () => {
    const ran = await commandLine([...run, '--json'], { stdin: Uint8Array.of(0xff, 0xfe, 0x41) });
    expect([ran.code, documentOf<ErrorDocument>(ran).error.code]).toEqual([2, 'GS_TEXT_INPUT']);
    const waiting = await commandLine(run, { stdin: 'terminal' });
    expect(waiting.code).toBe(2);
    expect(waiting.stderr).toBe('error: There is no prompt.\nGive it as an argument, with --file, or pipe it in.\n');
  });

  it('needs a chat template for a system message only', async () => {
    const plain = join(folder, 'plain.gguf');
    writeTinyModel(plain, { chatTemplate: false });
    const words = ['run', plain, 'hello', '--backend', 'reference', '-n', '4', '--json'];
    expect(documentOf<RunDocument>(await commandLine(words)).chatTemplate).toBe(false);
    expect((await commandLine([...words, '--system', 'x'])).code).toBe(2);
  });

  it('ends with 130 when aborted, in the middle of an answer', async () => {
    const controller = new AbortController();
    const ran = await commandLine(['run', model, 'hello', '--backend', 'reference', '-n', '400', '--ignore-end'], {
      signal: controller.signal,
      onStdout: () => controller.abort(),
    });
    expect(ran.code).toBe(130);
    expect(ran.stdout.length).toBeGreaterThan(0);
    const json = await commandLine([...run, 'hello', '--json'], { signal: AbortSignal.abort() });
    expect([json.code, documentOf<ErrorDocument>(json).error.code]).toEqual([130, 'GS_ABORTED']);
  });

  it('lets no control characters of the model through to a terminal', async () => {
    const words = ['run', model, 'hello', '--backend', 'reference', '-n', '200', '--ignore-end', '--temperature', '50', '--seed', '1'];
    const piped = await commandLine(words);
    const shown = await commandLine(words, { isTTY: true });
    expect(piped.stdout).toMatch(/[^\P{Cc}\t\n]/u);
    expect(shown.stdout).not.toMatch(/[^\P{Cc}\t\n]/u);
  });
});
