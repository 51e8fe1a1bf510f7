import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createRandomModel } from '@gateskip/model';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  compareResults,
  createProgramRunner,
  evaluate,
  type ProgramRunner,
  ProgramRunnerError,
  prepareTask,
  renderMarkdown,
  taskNamed,
} from '../src/index.js';
import { characterTokenizer } from './support/character-model.js';
import { TableRunner } from './support/table-runner.js';

const runner = await createProgramRunner({ timeoutMs: 5000, memoryBytes: 256 * 1024 ** 2 }).catch((error: unknown) => {
  if (error instanceof ProgramRunnerError) return error;
  throw error;
});
const missing = runner instanceof ProgramRunnerError ? runner.message : undefined;
if (missing) console.warn(`Programs are not run in these tests: ${missing}`);
const folder = mkdtempSync(join(tmpdir(), 'gateskip-execution-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe.skipIf(missing !== undefined)('a program runner', () => {
  const { isolation, run } = runner as ProgramRunner;
  let server: Server;
  let isReached = false;
  beforeAll(async () => {
    server = createServer((_, response) => {
      isReached = true;
      response.end();
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  });
  afterAll(() => new Promise((resolve) => server.close(resolve)));

  it.each<[string, string, boolean, RegExp]>([
    ['that comes to its end passes', 'assert 1 + 1 == 2\nprint("x" * 10)', true, /^passed$/],
    ['with text beyond ASCII passes', 'assert len("äé😀") == 3', true, /^passed$/],
    ['whose test fails', 'assert 1 + 1 == 3, "no"', false, /^AssertionError: no$/],
    ['that is no Python', 'def f(:', false, /SyntaxError/],
    ['that ends itself before its test', 'import sys\nsys.exit(0)\nassert False', false, /code 0 before its tests/],
    ['that ends itself harder', 'import os\nos._exit(0)', false, /code 0 before its tests/],
    ['that names another end', 'import os\nos.write(3, b"0" * 32)\nos._exit(0)', false, /before its tests/],
    ['that never ends', 'while True: pass', false, /timed out after 5 s|signal/],
    ['that takes all memory', 'x = []\nwhile True: x.append(bytearray(10**7))', false, /MemoryError|signal/],
    ['that writes without end', 'import sys\nwhile True: sys.stderr.write("x" * 10000)', false, /wrote too much/],
    ['that fills the disk', 'f = open("x", "wb")\nf.write(bytes(10**8))\nf.flush()', false, /OSError|signal/],
    ['that reads what stdin holds', 'import sys\nassert sys.stdin.read() == ""', true, /^passed$/],
  ])('%s', async (_, program, passed, outcome) => {
    const ran = await run(program);
    expect(ran.outcome).toMatch(outcome);
    expect(ran.passed).toBe(passed);
  });

  it('gives it an empty folder of its own, which is gone afterwards, and no environment', async () => {
    process.env.GATESKIP_TEST_SECRET = 'secret';
    const folders = (): string[] => readdirSync(tmpdir()).filter((name) => name.startsWith('gateskip-program-'));
    const before = folders();
    const lines = [
      'import os',
      'assert os.listdir(".") == [], os.listdir(".")',
      // What Python itself sets where there is no locale.
      'assert set(os.environ) <= {"LC_CTYPE"}, sorted(os.environ)',
      'open("file", "w").write("x")',
    ];
    expect((await run(lines.join('\n'))).outcome).toBe('passed');
    expect(folders()).toEqual(before);
    delete process.env.GATESKIP_TEST_SECRET;
  });

  it('says what it is kept from, and it is', async () => {
    expect(isolation).toMatchObject({ python: expect.stringMatching(/^3\./), timeoutMs: 5000 });
    const { port } = server.address() as AddressInfo;
    const called = await run(`import urllib.request\nurllib.request.urlopen("http://127.0.0.1:${port}/", timeout=2)`);
    expect(called.passed).toBe(isolation.network === 'open');
    expect(isReached).toBe(isolation.network === 'open');
    const own = await run('import os\nassert os.getpid() < 10');
    expect(own.passed).toBe(isolation.processes === 'own');
    const user = await run(`import os\nassert os.getuid() == 65534`);
    expect(user.passed).toBe(isolation.user === 'nobody' || process.getuid?.() === 65_534);
    const hog = await run('bytearray(300 * 1024 ** 2)');
    expect(hog.passed).toBe(isolation.memoryBytes === null);
  });

  it('leaves no process behind', async () => {
    const mark = join(tmpdir(), `gateskip-mark-${process.pid}`);
    const child = `import time\ntime.sleep(1)\nopen(${JSON.stringify(mark)}, "w").close()`;
    const program = `import subprocess, sys\nsubprocess.Popen([sys.executable, "-c", ${JSON.stringify(child)}])`;
    await run(program);
    await new Promise((resolve) => setTimeout(resolve, 1800));
    expect(existsSync(mark)).toBe(false);
  });

  it('runs it without what the system could confine it by, and says so', async () => {
    const open = await createProgramRunner({ confine: false, timeoutMs: 5000 });
    expect(open.isolation).toMatchObject({ network: 'open', processes: 'shared', user: 'same' });
    expect(await open.run('pass')).toEqual({ passed: true, outcome: 'passed' });
  });

  it('ends it at an abort', async () => {
    const controller = new AbortController();
    setTimeout(() => controller.abort(), 300);
    await expect(run('import time\ntime.sleep(60)', controller.signal)).rejects.toMatchObject({ code: 'GS_ABORTED' });
  });

  it('is refused where there is no Python', async () => {
    await expect(createProgramRunner({ python: join(folder, 'none') })).rejects.toMatchObject({ code: 'GS_EVAL_EXECUTE' });
  });
});

describe('humaneval', () => {
  // After "x" comes "1", then the end.
  const codes = 128;
  const table = Array.from({ length: codes }, (_, code) => {
    const next = code === 'x'.charCodeAt(0) ? '1'.charCodeAt(0) : 0;
    return Array.from({ length: codes }, (_unused, token) => (token === next ? 0.5 : 0.5 / (codes - 1)));
  });
  const writer = new TableRunner(table);
  const model = Object.assign(
    Object.create(createRandomModel({ seed: 1, config: writer.config })) as ReturnType<typeof createRandomModel>,
    {
      tokenizer: characterTokenizer(),
    },
  );
  const problem = (name: string, value: number) => ({
    task_id: `own/${name}`,
    prompt: `def ${name}():\n  return 0x`,
    entry_point: name,
    test: `def check(c):\n  assert c() == ${value}`,
  });

  const evaluated = async (programRunner?: ProgramRunner) => {
    const data = join(folder, 'problems.jsonl');
    writeFileSync(
      data,
      [problem('f', 1), problem('g', 2), problem('h', 1), problem('i', 1)].map((each) => JSON.stringify(each)).join('\n'),
    );
    const task = await prepareTask(taskNamed('humaneval'), { model, data });
    return evaluate({ model, runner: writer, runs: [{}], tasks: [task], speed: { rounds: 0 }, ...(programRunner && { programRunner }) });
  };

  it('is written and kept without a runner, and its score is absent with the reason', async () => {
    const results = await evaluated();
    expect(results.data.humaneval).toMatchObject({
      metrics: [],
      unscored: { metrics: ['pass@1'], reason: expect.stringContaining('asked for') },
    });
    expect(results.data.humaneval!.execution).toBeUndefined();
    const { perItem, metrics } = results.runs[0]!.tasks.humaneval!;
    expect(metrics).toEqual({});
    expect(perItem).toMatchObject([{ text: '1', scores: {} }, { text: '1' }, { text: '1' }, { text: '1' }]);
    expect(renderMarkdown(results)).toContain('humaneval has no pass@1');
  });

  it.skipIf(missing !== undefined)('is scored by running it where that is allowed', async () => {
    const results = await evaluated(runner as ProgramRunner);
    const { perItem, metrics, standardErrors } = results.runs[0]!.tasks.humaneval!;
    expect(perItem.map(({ outcome }) => outcome)).toEqual(['passed', 'AssertionError', 'passed', 'passed']);
    expect(metrics).toEqual({ 'pass@1': 0.75 });
    // Of four draws, one of which differs: sqrt(3/4 * 1/4 / 3).
    expect(standardErrors['pass@1']).toBeCloseTo(0.25, 12);
    expect(results.data.humaneval).toMatchObject({ metrics: ['pass@1'], execution: (runner as ProgramRunner).isolation });
    expect(renderMarkdown(results)).toMatch(/humaneval: programs ran on Python 3/);
    // Compared with one that was not run there is nothing to pair.
    expect(compareResults(results, await evaluated())[0]!.metrics).toEqual([]);
  });
});
