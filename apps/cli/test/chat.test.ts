import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { commandLine, documentOf, type ErrorDocument, testFolder } from './support/command-line.js';
import { writeTinyModel } from './support/tiny-model.js';

interface ChatDocument {
  readonly turns: readonly { readonly user: string; readonly text: string; readonly promptTokens: number }[];
  readonly messages: readonly { readonly role: string; readonly content: string }[];
}

const folder = testFolder();
const model = join(folder, 'tiny.gguf');
const chat = ['chat', model, '--backend', 'reference', '-n', '10', '--ignore-end'];

beforeAll(() => void writeTinyModel(model));

describe('gateskip chat, piped', () => {
  it('keeps the conversation', async () => {
    const ran = await commandLine([...chat, '--json'], { stdin: 'hello\n\nwell\n' });
    expect(ran.code, ran.stdout).toBe(0);
    const { turns, messages } = documentOf<ChatDocument>(ran);
    expect(turns.map(({ user }) => user)).toEqual(['hello', 'well']);
    expect(turns[1]!.promptTokens).toBeGreaterThan(turns[0]!.promptTokens + 10);
    expect(messages.map(({ role }) => role)).toEqual(['user', 'assistant', 'user', 'assistant']);
    expect(messages[1]!.content).toBe(turns[0]!.text);
  });

  it('prints one answer after the other, and nothing else on stdout', async () => {
    const { turns } = documentOf<ChatDocument>(await commandLine([...chat, '--json'], { stdin: 'hello\nwell' }));
    const ran = await commandLine(chat, { stdin: 'hello\nwell' });
    expect(ran.stdout).toBe(turns.map(({ text }) => `${text}\n`).join(''));
  });

  it('obeys its commands', async () => {
    const ran = await commandLine([...chat, '--json', '--system', 'Be kind.'], { stdin: 'hello\n/reset\nwell\n/exit\nnever asked\n' });
    const { turns, messages } = documentOf<ChatDocument>(ran);
    expect(turns.map(({ user }) => user)).toEqual(['hello', 'well']);
    expect(messages.map(({ role }) => role)).toEqual(['system', 'user', 'assistant']);
    const spoken = await commandLine(chat, { stdin: '/stats\nhello\n/stats\n/help\n/exit\n' });
    expect(spoken.stderr).toMatch(/Nothing was answered yet\.[\s\S]*prompt \d+ tokens[\s\S]*\/budget 25%/);
  });

  it.each([
    ['an unknown command', '/nonsense\n', 'GS_USAGE'],
    ['a budget without gates', '/budget 20%\n', 'GS_USAGE'],
    ['a budget that is none', '/budget lots\n', 'GS_INVALID_BUDGET'],
    ['a message beyond the context', `${'x'.repeat(600)}\n`, 'GS_CONTEXT_OVERFLOW'],
  ])('ends a script at %s', async (_, stdin, code) => {
    const ran = await commandLine([...chat, '--json'], { stdin });
    expect([ran.code, documentOf<ErrorDocument>(ran).error.code]).toEqual([2, code]);
  });

  it('refuses models without a template', async () => {
    const plain = writeTinyModel(join(folder, 'plain.gguf'), { chatTemplate: false });
    const ran = await commandLine(['chat', plain, '--backend', 'reference', '--json']);
    expect([ran.code, documentOf<ErrorDocument>(ran).error.code]).toEqual([2, 'GS_USAGE']);
  });

  it('ends with 130 when aborted while it waits or answers', async () => {
    const controller = new AbortController();
    const words = ['chat', model, '--backend', 'reference', '-n', '400', '--ignore-end'];
    const ran = await commandLine(words, { stdin: 'hello\nwell\n', signal: controller.signal, onStdout: () => controller.abort() });
    expect(ran.code).toBe(130);
  });
});
