import { Writable } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { createProgram } from '../src/index.js';
import { Progress } from '../src/output/progress.js';
import { cutText } from '../src/verbs/calibration-sequences.js';
import { commandLine, documentOf, type ErrorDocument } from './support/command-line.js';

const verbs = ['run', 'chat', 'pull', 'models', 'fit', 'train', 'profile', 'inspect', 'bench', 'eval', 'backends', 'doctor'];

describe('the program', () => {
  it('has its verbs, each with help, examples and --json', async () => {
    const io = { stdin: process.stdin, stdout: process.stdout, stderr: process.stderr, env: {}, signal: new AbortController().signal };
    expect(createProgram({ io, exitCode: 0 }).commands.map((command) => command.name())).toEqual(verbs);
    for (const verb of verbs) {
      const ran = await commandLine([verb, '--help']);
      expect(ran).toMatchObject({ code: 0, stderr: '' });
      expect(ran.stdout).toMatch(new RegExp(`Examples:\\n  gateskip ${verb}|Examples:\\n[\\s\\S]*gateskip ${verb}`));
      expect(ran.stdout).toContain('--json');
    }
    expect((await commandLine(['--help'])).stdout).toMatch(/Exit codes:\n {2}0[\s\S]*130 +aborted by Ctrl-C/);
  });

  it('knows its version', async () => {
    expect((await commandLine(['--version'])).stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
  });

  it.each([
    ['no command', []],
    ['an unknown command', ['fly']],
    ['an unknown option', ['doctor', '--fly']],
    ['a missing argument', ['run']],
  ])('refuses %s, as text and as JSON', async (_, words) => {
    const plain = await commandLine(words);
    expect(plain.code).toBe(2);
    expect(plain.stdout).toBe('');
    expect(plain.stderr).toMatch(/error: .*\nSee `gateskip --help`\.\n$/);
    if (words.length === 0) return;
    const json = await commandLine([...words, '--json']);
    expect([json.code, documentOf<ErrorDocument>(json).error.code]).toEqual([2, 'GS_USAGE']);
  });

  it('shows where an error comes from only when asked', async () => {
    const quiet = await commandLine(['inspect', 'nope.gguf']);
    expect(quiet.stderr).not.toMatch(/\n\s+at /);
    const loud = await commandLine(['inspect', 'nope.gguf'], { env: { GATESKIP_DEBUG: '1' } });
    expect(loud.stderr).toMatch(/\n\s+at /);
  });
});

describe('progress', () => {
  function record(isTTY: boolean): { text: () => string; stream: Writable & { isTTY?: boolean; columns?: number } } {
    const parts: string[] = [];
    const stream: Writable & { isTTY?: boolean; columns?: number } = new Writable({
      decodeStrings: false,
      write(chunk, _, done) {
        parts.push(String(chunk));
        done();
      },
    });
    if (isTTY) Object.assign(stream, { isTTY, columns: 60 });
    return { text: () => parts.join(''), stream };
  }

  it('writes plain lines at intervals where there is no terminal, and none for quick work', () => {
    let nowMs = 0;
    const { text, stream } = record(false);
    const progress = new Progress(stream, { now: () => nowMs });
    for (; nowMs <= 12_000; nowMs += 100) progress.report('Downloading x', nowMs, 20_000, 'bytes');
    progress.clear();
    expect(text()).toBe('Downloading x 25 % of 19.5 KiB (5.00 s)\nDownloading x 50 % of 19.5 KiB (10.0 s)\n');
    nowMs = 0;
    const quick = record(false);
    const short = new Progress(quick.stream, { now: () => nowMs });
    for (; nowMs < 4000; nowMs += 100) short.report('Loading', nowMs, 4000);
    short.clear();
    expect(quick.text()).toBe('');
  });

  it('redraws one line on a terminal and takes it away', () => {
    let nowMs = 0;
    const { text, stream } = record(true);
    const progress = new Progress(stream, { now: () => nowMs });
    progress.report('Fitting', 1, 4);
    progress.report('Fitting', 2, 4);
    nowMs = 100;
    progress.report('Fitting', 3, 4);
    progress.clear();
    expect(text()).toBe('\r\u001b[KFitting 25 %, 1 of 4 (0.00 s)\r\u001b[KFitting 75 %, 3 of 4 (0.10 s)\r\u001b[K');
  });
});

describe('calibration text', () => {
  it('is cut at line ends and loses nothing', () => {
    const text = `${'word '.repeat(3000)}\n${'line\n'.repeat(4000)}${'😀'.repeat(9000)}`;
    const pieces = cutText(text);
    expect(pieces.join('')).toBe(text);
    expect(pieces.every((piece) => piece.length <= 8193 && !/\p{Surrogate}/u.test(piece))).toBe(true);
  });
});
