import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { smallDisk } from '@gateskip/test-support/small-disk';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { buildProgram, removeProgram, start } from './support/built-program.js';
import { documentOf, type ErrorDocument, testFolder } from './support/command-line.js';
import { FakeHub, sha256 } from './support/fake-hub.js';
import { writeTinyModel } from './support/tiny-model.js';

const kib = 1024;
const folder = testFolder();
const hub = new FakeHub();
const content = randomBytes(600 * kib);
let main = '';
let pace: number | undefined;

beforeAll(async () => {
  main = buildProgram();
  await hub.start();
  hub.files.set('told.gguf', { bytes: content });
  hub.files.set('untold.gguf', { bytes: content, hidesLength: true });
  hub.files.set('slow.gguf', { bytes: content, pace: () => pace });
});
afterAll(async () => {
  await hub.stop();
  removeProgram();
});

const rangesOf = (wanted: string) => hub.downloads.filter(({ name }) => name === wanted).map(({ range }) => range);

/** Runs lines of shell on a disk of so many bytes at `$disk`, with `gateskip` in `$main`; what they leave in `$out` is read afterwards. */
async function onSmallDisk(sizeBytes: number, lines: readonly string[]): Promise<(name: string) => string> {
  const disk = smallDisk(folder);
  if (typeof disk === 'string') throw new Error(disk);
  const [place, out] = [mkdtempSync(join(folder, 'disk-')), mkdtempSync(join(folder, 'out-'))];
  const [program, ...words] = [...disk.prefix(place, sizeBytes), 'sh', '-c', lines.join('\n')];
  const env = { ...process.env, HF_HUB_OFFLINE: '', HF_ENDPOINT: hub.endpoint, node: process.execPath, main, out, disk: place };
  const child = spawn(program as string, words, { env: { ...env, GATESKIP_CACHE_DIR: place }, stdio: ['ignore', 'ignore', 'pipe'] });
  let stderr = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  const code = await new Promise((resolve, reject) => child.on('error', reject).on('close', resolve));
  if (code !== 0) throw new Error(`The shell ended with ${code}: ${stderr}`);
  return (name) => readFileSync(join(out, name), 'utf8');
}

/** Document, exit code and the files there are, of a command under a name. */
const gateskip = (name: string, words: string): string[] => [
  `"$node" "$main" ${words} --json >"$out/${name}.json" 2>"$out/${name}.err"; echo $? >"$out/${name}.code"`,
  `(cd "$disk" && find . -type f -not -name filler -o -name '*.lock' | sort) >"$out/${name}.files"`,
];
const errorOf = (read: (name: string) => string, name: string) => {
  const ran = { code: Number(read(`${name}.code`)), stdout: read(`${name}.json`), stderr: read(`${name}.err`) };
  expect(ran.stderr).not.toMatch(/\n\s+at /);
  return { code: ran.code, error: documentOf<ErrorDocument>(ran).error };
};
const fill = (freeKib: number): string[] => [
  'dd if=/dev/zero of="$disk/filler" bs=1k 2>/dev/null || true',
  `dd if=/dev/null of="$disk/filler" bs=1k seek=$(($(wc -c <"$disk/filler") / 1024 - ${freeKib})) 2>/dev/null`,
];

describe('gateskip on a full disk', () => {
  it('pull refuses what cannot fit, keeps what came, and goes on when there is room', async ({ skip }) => {
    const disk = smallDisk(folder);
    if (typeof disk === 'string') return skip(disk);
    const read = await onSmallDisk(1024 * kib, [
      ...fill(300),
      ...gateskip('told', 'pull hf:o/r/told.gguf'),
      ...gateskip('untold', 'pull hf:o/r/untold.gguf'),
      'rm "$disk/filler"',
      ...gateskip('after', 'pull hf:o/r/untold.gguf'),
    ]);
    const told = errorOf(read, 'told');
    expect(told).toMatchObject({
      code: 3,
      error: {
        code: 'GS_DISK_FULL',
        remedy: expect.stringContaining('GATESKIP_CACHE_DIR'),
        fields: { what: expect.stringMatching(/told\.gguf$/), neededBytes: content.length, freeBytes: expect.any(Number) },
      },
    });
    expect(told.error.fields.freeBytes as number).toBeLessThanOrEqual(300 * kib);
    expect(rangesOf('told.gguf')).toEqual([]);
    const untold = errorOf(read, 'untold');
    expect(untold).toMatchObject({
      code: 3,
      error: { code: 'GS_DISK_FULL', fields: { what: expect.stringMatching(/untold\.gguf\.part$/) } },
    });
    expect(read('untold.files')).toMatch(/untold\.gguf\.part\n/);
    expect(read('untold.files')).not.toMatch(/untold\.gguf\n|\.lock/);
    expect([read('after.code').trim(), JSON.parse(read('after.json'))]).toMatchObject([
      '0',
      { sha256: sha256(content), sizeBytes: content.length },
    ]);
    expect(read('after.files')).toMatch(/untold\.gguf\n/);
    expect(read('after.files')).not.toMatch(/\.part|\.lock/);
    expect(rangesOf('untold.gguf')).toEqual([undefined, expect.stringMatching(/^bytes=[1-9]\d*-$/)]);
  });

  it('fit leaves the old gate file as it was', async ({ skip }) => {
    const disk = smallDisk(folder);
    if (typeof disk === 'string') return skip(disk);
    const model = writeTinyModel(join(folder, 'tiny.gguf'));
    const text = join(folder, 'text.txt');
    writeFileSync(
      text,
      Array.from({ length: 60 }, (_, i) => `hello there, cat ${i} sat on mat ${(i * 7919) % 97} and sang well.\n`).join(''),
    );
    const quick = '--backend reference --tokens 900 --curve-tokens 400 --quality-rows 64 --window 128 --rounds 1';
    const read = await onSmallDisk(256 * kib, [
      'echo old >"$disk/gates.safetensors"',
      ...fill(0),
      ...gateskip('full', `fit '${model}' --out "$disk/gates.safetensors" --force --text '${text}' ${quick}`),
      'cp "$disk/gates.safetensors" "$out/gates"',
    ]);
    expect(errorOf(read, 'full')).toMatchObject({
      code: 3,
      error: {
        code: 'GS_DISK_FULL',
        remedy: 'Free space there, or write to another disk.',
        fields: { what: expect.stringMatching(/gates\.safetensors$/), neededBytes: expect.any(Number), freeBytes: 0 },
      },
    });
    expect(read('gates')).toBe('old\n');
    expect(read('full.files')).toBe('./gates.safetensors\n');
  });
});

describe('two gateskip pull at once', () => {
  it('the second says for whom it waits, and takes over from a first that was killed', async () => {
    const cache = join(folder, 'shared');
    mkdirSync(cache);
    const env = { GATESKIP_CACHE_DIR: cache, HF_ENDPOINT: hub.endpoint, HF_HUB_OFFLINE: '' };
    const pull = () => start(main, ['pull', 'hf:o/r/slow.gguf', '--json'], env);
    // Ten minutes for the whole file: it is under way for as long as anybody here waits.
    pace = 50;
    const first = pull();
    while (rangesOf('slow.gguf').length === 0) await new Promise((resolve) => setTimeout(resolve, 20));
    const second = pull();
    await second.says(/Waiting/);
    expect(rangesOf('slow.gguf')).toEqual([undefined]);
    first.child.kill('SIGKILL');
    pace = undefined;
    expect((await first.ended).signal).toBe('SIGKILL');
    const end = await second.ended;
    expect(end.code, end.stderr).toBe(0);
    expect(end.stderr).toMatch(
      new RegExp(`^Waiting for another download \\(pid ${first.child.pid}\\) of hf:o/r/slow\\.gguf \\d+ % of 600\\.0 KiB \\(\\d`, 'm'),
    );
    const { path, sha256: hash } = JSON.parse(end.stdout) as { path: string; sha256: string };
    expect([hash, sha256(readFileSync(path))]).toEqual([sha256(content), sha256(content)]);
    expect(rangesOf('slow.gguf')).toEqual([undefined, expect.stringMatching(/^bytes=[1-9]\d*-$/)]);
  });
});
