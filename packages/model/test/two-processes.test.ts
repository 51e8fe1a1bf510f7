import { randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { ResolvedModel } from '../src/index.js';
import { FakeHub, sha256 } from './support/fake-hub.js';
import { testFolder } from './support/folder.js';
import { bundleProcess, OwnProcess, removeBundle } from './support/own-process.js';
import type { Line } from './support/source-process.js';

const folder = testFolder();
const hub = new FakeHub();
const content = randomBytes(400_000);
const name = 'big.gguf';
let cacheDir: string;

beforeAll(async () => {
  bundleProcess();
  await hub.start();
});
afterAll(async () => {
  await hub.stop();
  removeBundle();
});
beforeEach(() => {
  hub.reset();
  hub.files.set(name, content);
  cacheDir = mkdtempSync(join(folder, 'cache-'));
});

const puller = (): OwnProcess =>
  new OwnProcess([{ do: 'pull', reference: `hf:o/r/${name}`, cacheDir, env: { HF_ENDPOINT: hub.endpoint } }]);
const isPhase =
  (phase: string, doneBytes = 0) =>
  (line: Line): boolean =>
    line.kind === 'progress' && line.progress.phase === phase && line.progress.done >= doneBytes;
const waits = (pulling: OwnProcess) => pulling.progress.filter((progress) => progress.phase === 'wait');
const ranges = () => hub.requests.filter(({ method, url }) => method === 'GET' && url.startsWith('/cdn/')).map((request) => request.range);

describe('two processes that pull the same model', () => {
  it('load it once: the second sees whom it waits for and how far that one is', async () => {
    hub.faults.trickle = { bytes: 10_000, everyMs: 50 };
    const first = puller();
    await first.tells(isPhase('download'));
    const second = puller();
    const [[got], [gotToo]] = await Promise.all([first.outcomes<[ResolvedModel]>(), second.outcomes<[ResolvedModel]>()]);
    expect(got).toMatchObject({ sha256: sha256(content), sizeBytes: content.length });
    expect(gotToo).toEqual(got);
    expect(sha256(readFileSync(got.path))).toBe(sha256(content));
    expect(ranges()).toEqual([undefined]);
    expect(waits(first)).toEqual([]);
    const seen = waits(second);
    expect(seen.length).toBeGreaterThan(1);
    for (const progress of seen) expect(progress.holder).toEqual({ pid: first.child.pid, host: hostname(), elapsedMs: expect.any(Number) });
    const elapsed = seen.map((progress) => progress.holder?.elapsedMs as number);
    expect(elapsed.at(-1)).toBeGreaterThan(elapsed[0] as number);
    const underWay = seen.filter((progress) => progress.done > 0 && progress.done < content.length);
    expect(underWay.length).toBeGreaterThan(0);
    for (const progress of underWay) expect(progress.total).toBe(content.length);
    expect(second.progress.filter((progress) => progress.phase === 'download')).toEqual([]);
  });

  it('the first is killed half-way: the second takes over soon and continues its part', async () => {
    hub.faults.trickle = { bytes: 10_000, everyMs: 50 };
    const first = puller();
    await first.tells(isPhase('download'));
    const second = puller();
    await Promise.all([first.tells(isPhase('download', content.length / 4)), second.tells(isPhase('wait'))]);
    first.child.kill('SIGKILL');
    const killedMs = performance.now();
    await first.ended;
    await second.tells(isPhase('resolve'));
    // Where only the age of the lock told that its holder is dead, it would take 18 s or more.
    expect(performance.now() - killedMs).toBeLessThan(17_500);
    const [got] = await second.outcomes<[ResolvedModel]>();
    expect(got.sha256).toBe(sha256(content));
    expect(sha256(readFileSync(got.path))).toBe(sha256(content));
    expect(ranges()).toHaveLength(2);
    const from = Number(/^bytes=(\d+)-$/.exec(ranges()[1] ?? '')?.[1]);
    expect(from).toBeGreaterThanOrEqual(content.length / 4);
    expect(from).toBeLessThan(content.length);
    expect(waits(second).every((progress) => progress.holder?.pid === first.child.pid)).toBe(true);
  });
});
