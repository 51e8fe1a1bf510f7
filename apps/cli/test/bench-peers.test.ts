import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { beforeAll, describe, expect, it } from 'vitest';
import type { BenchReport } from '../src/bench/bench-report.js';
import { findPeer, type PeerStart } from '../src/bench/find-peer.js';
import { PeerProcess } from '../src/bench/peer-process.js';
import { commandLine, documentOf, type ErrorDocument, testFolder } from './support/command-line.js';
import { writeTinyModel } from './support/tiny-model.js';

const folder = testFolder();
const model = join(folder, 'tiny.gguf');
const empty = join(folder, 'empty');
const quick = ['bench', model, '--backend', 'reference', '--quick', '--rounds', '2', '-n', '4', '--batch', '1', '--skip', '0', '--json'];

const schema = JSON.parse(readFileSync(new URL('../../../benchmarks/bench.schema.json', import.meta.url), 'utf8')) as object;
const validate = new Ajv2020({ allErrors: true, allowUnionTypes: true }).compile(schema);

/** A program that says it is a Python with llama-cpp-python, and speaks the protocol's lines. Twice as fast with two threads. */
const fakePython = (answer: string): string => `#!${process.execPath}
const { appendFileSync } = require('node:fs');
const code = process.argv[process.argv.indexOf('-c') + 1];
if (code.includes('print(')) {
  if (!code.startsWith('import llama_cpp; print')) process.exit(1);
  console.log('9.9.9');
  process.exit(0);
}
console.error('chatter');
let rest = '';
process.stdin.on('data', (data) => {
  rest += data;
  for (let end = rest.indexOf('\\n'); end >= 0; end = rest.indexOf('\\n')) {
    const request = JSON.parse(rest.slice(0, end));
    rest = rest.slice(end + 1);
    appendFileSync(${JSON.stringify(join(folder, 'asked.txt'))}, request.command + ' ' + (request.threads ?? request.modelPath) + '\\n');
    ${answer}
  }
});
`;
const sound = `
  const speed = { tokensPerSecond: 1000 * request.threads };
  console.log(JSON.stringify(request.command === 'open' ? { details: { fake: true, room: request.contextTokens } } : speed));`;

function writePython(name: string, answer: string): string {
  const path = join(folder, name);
  writeFileSync(path, fakePython(answer));
  chmodSync(path, 0o755);
  return path;
}

beforeAll(() => {
  writeTinyModel(model, { contextLength: 1024 });
  mkdirSync(empty, { recursive: true });
});

// The stand-in is a script with an interpreter line.
describe.skipIf(process.platform === 'win32')('a peer that speaks lines (not on Windows: the stand-in is a script)', () => {
  it('races by turns, at the thread count that was best', async () => {
    const python = writePython('python-sound', sound);
    const ran = await commandLine([...quick, '--against', 'llama-cpp-python', '--python', python]);
    expect(ran.code, ran.stdout + ran.stderr).toBe(0);
    const report = documentOf<BenchReport>(ran);
    expect(validate(report), JSON.stringify(validate.errors)).toBe(true);
    const peer = report.peers['llama-cpp-python']!;
    expect(peer).toMatchObject({ version: '9.9.9', details: { fake: true, room: 1024 } });
    const most = peer.tried.at(-1)!.threads;
    expect(peer.threads).toEqual({ decode: most, prefill512: most });
    expect(peer.decode).toEqual({ median: 1000 * most, low: 1000 * most, high: 1000 * most });
    const ratio = report.ratios['llama-cpp-python']!;
    expect(ratio.decode.median).toBeCloseTo(report.dense.decode.median / (1000 * most), 6);
    expect(ratio.prefill512.low).toBeGreaterThan(0);
    const asked = readFileSync(join(folder, 'asked.txt'), 'utf8').trim().split('\n');
    expect(asked[0]).toBe(`open ${model}`);
    // Each round asks for one decode and one prompt, at the best count.
    expect(asked.slice(-4)).toEqual([`decode ${most}`, `prefill ${most}`, `decode ${most}`, `prefill ${most}`]);
  });

  it('is also found by GATESKIP_PYTHON, and in the folder of peers', () => {
    const python = writePython('python-named', sound);
    expect(findPeer('llama-cpp-python', { GATESKIP_PEERS: empty, GATESKIP_PYTHON: python })).toMatchObject({
      version: '9.9.9',
      start: { kind: 'lines', command: python },
    });
    const inside = join(folder, 'peers', 'llama-cpp-python', 'bin');
    mkdirSync(inside, { recursive: true });
    const found = writePython(join('peers', 'llama-cpp-python', 'bin', 'python'), sound);
    expect(findPeer('llama-cpp-python', { GATESKIP_PEERS: join(folder, 'peers') }).start).toMatchObject({ command: found });
  });

  it.each([
    ['an error of its own', "console.log(JSON.stringify({ error: 'no such luck' }));", /no such luck/],
    ['words that are no answer', "console.log('hello');", /cannot be read: hello/],
    ['no speed', 'console.log(JSON.stringify({ details: {} }));', /gave no speed/],
    ['a crash', 'process.kill(process.pid, "SIGKILL");', /SIGKILL/],
    ['an end', 'process.exit(7);', /code 7/],
  ])('is blamed for %s', async (what, answer, words) => {
    const python = writePython(`python-${what.replaceAll(' ', '-')}`, answer);
    const ran = await commandLine([...quick, '--against', 'llama-cpp-python', '--python', python]);
    expect(ran.code).toBe(3);
    const { error } = documentOf<ErrorDocument>(ran);
    expect(error.code).toBe('GS_PEER_FAILED');
    expect(error.message).toMatch(words);
  });

  it('stops with the command', async () => {
    const controller = new AbortController();
    const start: PeerStart = { kind: 'lines', command: writePython('python-silent', ''), words: ['-c', 'wait'] };
    const peer = new PeerProcess('llama-cpp-python', start, controller.signal);
    const opening = peer.open(model, 1024);
    controller.abort();
    await expect(opening).rejects.toMatchObject({ code: 'GS_ABORTED' });
  });
});

describe('peers that are not there', () => {
  it.each([
    ['node-llama-cpp', /npm install node-llama-cpp`/],
    ['onnxruntime-node', /npm install onnxruntime-node --ignore-scripts`/],
  ])('%s: says how to install it', async (name, words) => {
    const ran = await commandLine([...quick, '--against', name], { env: { GATESKIP_PEERS: empty } });
    expect(ran.code).toBe(3);
    const { error } = documentOf<ErrorDocument>(ran);
    expect(error.code).toBe('GS_PEER_MISSING');
    expect(error.remedy).toContain(`node tools/peers/install.mjs ${name}`);
    expect(error.remedy).toMatch(words);
  });

  it('a Python without the package, or none at all', async () => {
    for (const python of [process.execPath, join(folder, 'nobody')]) {
      const ran = await commandLine([...quick, '--against', 'llama-cpp-python', '--python', python]);
      expect(ran.code).toBe(3);
      const { error } = documentOf<ErrorDocument>(ran);
      expect(error).toMatchObject({ code: 'GS_PEER_MISSING', message: expect.stringContaining(`${python} cannot import llama_cpp`) });
      expect(error.remedy).toContain('node tools/peers/install.mjs llama-cpp-python');
    }
  });

  it('is said before anything is measured, whichever of several it is', async () => {
    const ran = await commandLine([...quick, '--against', 'llama-cpp-python', '--against', 'onnxruntime-node'], {
      env: { GATESKIP_PEERS: empty, GATESKIP_PYTHON: join(folder, 'nobody') },
    });
    expect(documentOf<ErrorDocument>(ran).error.code).toBe('GS_PEER_MISSING');
    expect(existsSync(join(empty, 'onnxruntime-node'))).toBe(false);
  });

  it.each(['node-llama-cpp,node-llama-cpp', 'node-llama-cpp,', 'node-llama-cpp,nobody'])('refuses --against %s', async (value) => {
    const ran = await commandLine([...quick, '--against', value]);
    expect(ran.code).toBe(2);
    expect(documentOf<ErrorDocument>(ran).error.code).toBe('GS_USAGE');
  });
});
