import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { accessSync, chownSync, constants } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, isAbsolute, join } from 'node:path';
import { AbortedError } from '@gateskip/errors';
import { ProgramRunnerError } from '../errors.js';
import { wellFormed } from '../items/encode-pair.js';
import { type Confinement, confinements, NOBODY, type ProgramIsolation } from './isolation.js';
import { LAUNCHER } from './launcher.js';
import { type ChildEnd, runChild } from './run-child.js';

export interface ProgramOutcome {
  readonly passed: boolean;
  /** `passed`, `timed out after 10 s`, or the last line of its errors. */
  readonly outcome: string;
}

/** Runs Python programs that a model wrote. */
export interface ProgramRunner {
  readonly isolation: ProgramIsolation;
  /** @throws AbortedError, ProgramRunnerError where it cannot be started */
  run(program: string, signal?: AbortSignal): Promise<ProgramOutcome>;
}

export interface ProgramRunnerOptions {
  /** Default: `python3` of the PATH. */
  readonly python?: string;
  /** Of the wall clock, for each program; default 10,000. */
  readonly timeoutMs?: number;
  /** Of address space; default 1 GiB. */
  readonly memoryBytes?: number;
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Whether the system's own programs may confine it; default true. */
  readonly confine?: boolean;
}

interface Start {
  readonly way: Confinement;
  readonly python: string;
  readonly timeoutMs: number;
  readonly limits: Readonly<Record<string, number>>;
}

interface Report {
  readonly python: string;
  readonly user: number;
  readonly held: Readonly<Record<string, boolean>>;
}

const SYSTEM_FOLDERS = ['/usr/bin', '/bin', '/usr/sbin', '/sbin', '/usr/local/bin'];
const MAX_OUTCOME = 200;
/** A first start from a cold disk under load. */
const PROBE_MS = 30_000;

/**
 * **Runs code that a model wrote, on this machine.** Each program is a child process of its own in an empty temporary folder,
 * without an environment, with limits on time, memory, file size and processes; without network and as a user without files
 * where the system allows that. `isolation` says what could be had. It is no proof against a program that is written to do
 * harm: use a machine that you can lose.
 *
 * @throws ProgramRunnerError where there is no Python, or no limits can be set
 */
export async function createProgramRunner(options: ProgramRunnerOptions = {}): Promise<ProgramRunner> {
  const { timeoutMs = 10_000, memoryBytes = 1024 ** 3, env = process.env, confine = true } = options;
  if (process.platform === 'win32')
    throw new ProgramRunnerError('Generated programs are limited by means that Windows does not have.', 'Use Linux or macOS.');
  const pythons = await pythonsOf(options.python, env);
  const limits = {
    AS: memoryBytes,
    CPU: Math.ceil(timeoutMs / 1000) + 1,
    FSIZE: 1024 ** 2,
    NOFILE: 64,
    NPROC: 0,
    CORE: 0,
  };
  const find = (name: string): string | undefined => SYSTEM_FOLDERS.map((folder) => join(folder, name)).find(isExecutable);
  const ways = confinements(process.getuid?.() === 0, find);
  const reasons: string[] = [];
  for (const way of confine ? ways : ways.slice(-1))
    for (const python of pythons) {
      const start: Start = { way, python, timeoutMs, limits };
      const end = await runProgram('pass', { ...start, timeoutMs: PROBE_MS }).catch((error: Error) => error);
      if (end instanceof Error || !end.passed) {
        reasons.push(`${[...way.prefix.slice(0, 1), python].join(' ')}: ${end instanceof Error ? end.message : end.outcome}`);
        continue;
      }
      const { python: version, held } = end.report as Report;
      const { network, processes, user } = way;
      return {
        isolation: { python: version, network, processes, user, timeoutMs, memoryBytes: held.AS ? memoryBytes : null },
        async run(program, signal) {
          const { passed, outcome } = await runProgram(program, start, signal);
          return { passed, outcome };
        },
      };
    }
  throw new ProgramRunnerError(`No Python runs programs here (${reasons.join('; ')}).`, 'Install Python 3, or leave the programs unrun.', {
    what: 'python3',
    got: reasons,
  });
}

async function runProgram(program: string, start: Start, signal?: AbortSignal): Promise<ProgramOutcome & { readonly report?: Report }> {
  const { way, python, timeoutMs, limits } = start;
  if (signal?.aborted) throw new AbortedError('The evaluation');
  const folder = await mkdtemp(join(tmpdir(), 'gateskip-program-'));
  try {
    if (way.user === 'nobody') chownSync(folder, NOBODY, NOBODY);
    const done = randomBytes(16).toString('hex');
    const words = [...way.prefix, python, '-I', '-B', '-c', LAUNCHER];
    const input = `${JSON.stringify({ limits, done })}\n${wellFormed(program)}`;
    const end = await runChild(words, { folder, input, timeoutMs, signal }).catch((error: Error) => {
      throw new ProgramRunnerError(`${words[0]} cannot be started: ${error.message}.`, 'Check that it is there.', {
        what: words[0] as string,
      });
    });
    if (signal?.aborted) throw new AbortedError('The evaluation');
    const [first = '', last] = end.report.split('\n');
    const report = reportOf(first);
    const passed = report !== undefined && end.code === 0 && last === done && !end.timedOut && !end.wroteTooMuch;
    return { passed, outcome: passed ? 'passed' : failureOf(end, timeoutMs), ...(report && { report }) };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function failureOf({ timedOut, wroteTooMuch, errors, code }: ChildEnd, timeoutMs: number): string {
  if (timedOut) return `timed out after ${timeoutMs / 1000} s`;
  if (wroteTooMuch) return 'wrote too much';
  const line = errors.trimEnd().split('\n').at(-1)?.trim();
  return (line || `ended with ${code === null ? 'a signal' : `code ${code}`} before its tests had passed`).slice(0, MAX_OUTCOME);
}

function reportOf(line: string): Report | undefined {
  try {
    return JSON.parse(line) as Report;
  } catch {
    return undefined;
  }
}

/** Pythons to try: the one asked for, as the path of its program; else those of the PATH and of the system. */
async function pythonsOf(asked: string | undefined, env: NonNullable<ProgramRunnerOptions['env']>): Promise<readonly string[]> {
  const folders = asked === undefined ? (env.PATH ?? '').split(delimiter).filter(isAbsolute) : [];
  const candidates = asked === undefined ? [...folders, ...SYSTEM_FOLDERS].map((folder) => join(folder, 'python3')) : [asked];
  const found = [...new Set(candidates)].filter(isExecutable);
  // A name of the PATH may be a script that finds the real one by its environment, which programs do not have.
  const real: string[] = [];
  for (const python of found.slice(0, 4)) {
    const path = await executableOf(python, env);
    if (path !== undefined && !real.includes(path)) real.push(path);
  }
  if (real.length > 0) return real;
  throw new ProgramRunnerError(`There is no ${asked ?? 'python3'} that runs.`, 'Install Python 3, or leave the programs unrun.', {
    what: asked ?? 'python3',
  });
}

function executableOf(python: string, env: NonNullable<ProgramRunnerOptions['env']>): Promise<string | undefined> {
  return new Promise((resolve) => {
    execFile(python, ['-I', '-c', 'import sys; print(sys.executable)'], { env, timeout: PROBE_MS, maxBuffer: 65_536 }, (error, stdout) => {
      const path = stdout.trim();
      resolve(error === null && isAbsolute(path) ? path : undefined);
    });
  });
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
